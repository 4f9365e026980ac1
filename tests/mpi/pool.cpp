/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * C++: a pool of std::thread workers, futures, exceptions thrown through frames and
 * across threads, containers that grow, thread_local objects, and static ones with
 * destructors.
 */
#define OMPI_SKIP_MPICXX /* the C interface only */
#include "check.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{
std::atomic<long> n_locals{0};

struct local {
    long n = 0;
    local()
    {
        n_locals++;
    }
    ~local()
    {
        n_locals--;
    }
};
thread_local local mine;

class pool
{
  public:
    explicit pool(int n_threads)
    {
        for (int i = 0; i < n_threads; i++)
            threads.emplace_back([this] { work(); });
    }

    ~pool()
    {
        {
            std::lock_guard<std::mutex> lock(mutex);
            closing = true;
        }
        changed.notify_all();
        for (auto &thread : threads)
            thread.join();
    }

    std::future<uint64_t> add(std::function<uint64_t()> function)
    {
        auto task = std::make_shared<std::packaged_task<uint64_t()>>(std::move(function));
        std::lock_guard<std::mutex> lock(mutex);
        tasks.push_back([task] { (*task)(); });
        changed.notify_one();
        return task->get_future();
    }

  private:
    void work()
    {
        std::unique_lock<std::mutex> lock(mutex);
        for (;;) {
            changed.wait(lock, [this] { return closing || !tasks.empty(); });
            if (tasks.empty())
                return;
            auto task = std::move(tasks.front());
            tasks.pop_front();
            lock.unlock();
            task();
            mine.n++;
            lock.lock();
        }
    }

    std::vector<std::thread> threads;
    std::deque<std::function<void()>> tasks;
    std::mutex mutex;
    std::condition_variable changed;
    bool closing = false;
};

uint64_t job(uint64_t seed)
{
    if (seed % 7 == 3)
        throw std::runtime_error("seed " + std::to_string(seed));
    std::vector<uint64_t> values;
    for (uint64_t i = 0; i < 200; i++)
        values.push_back(check_hash(seed, i));
    uint64_t sum = 0;
    for (auto value : values)
        sum += value;
    if (seed % 11 == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return sum;
}

/* The result of a job, or the text of its exception. */
void step_of(pool &workers, long step, std::map<std::string, long> &errors)
{
    std::vector<std::future<uint64_t>> results;
    for (uint64_t i = 0; i < 8; i++)
        results.push_back(workers.add([=] { return job((uint64_t)step * 8 + i); }));
    long local_step = step, total = 0;
    CHECK_MPI(MPI_Allreduce(&local_step, &total, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
    CHECK_EQ(total, step * check_size);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t seed = (uint64_t)step * 8 + i, sum = 0;
        try {
            uint64_t found = results[i].get();
            for (uint64_t k = 0; k < 200; k++)
                sum += check_hash(seed, k);
            CHECK(found == sum && seed % 7 != 3, "job %llu gave %llx",
                  (unsigned long long)seed, (unsigned long long)found);
            check_note(sum);
        } catch (const std::runtime_error &error) {
            CHECK_EQ(seed % 7, 3);
            CHECK(error.what() == "seed " + std::to_string(seed), "exception '%s'",
                  error.what());
            errors[error.what()]++;
        }
    }
}
} // namespace

int main(int argc, char **argv)
{
    int provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    long steps = check_begin("pool", argc, argv, 2500);
    std::map<std::string, long> errors;
    {
        auto workers = std::make_unique<pool>(4);
        for (long step = 0; step < steps; step++) {
            step_of(*workers, step, errors);
            if (step % 500 == 499)
                workers = std::make_unique<pool>(2 + (int)(step / 500 % 3));
        }
    }
    mine.n++;
    CHECK_EQ(n_locals, 1); /* the workers' are destroyed */
    CHECK_EQ(errors.size(), (steps * 8 - 4) / 7 + 1);
    for (auto &[text, n] : errors)
        CHECK(n == 1, "%s came %ld times", text.c_str(), n);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
