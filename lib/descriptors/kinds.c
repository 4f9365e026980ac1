/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of kinds of descriptors.  What is in none of them is refused.  Lower half.
 */
#include "descriptors/kind.h"

const struct crmpi_descriptor_kind *const crmpi_descriptor_kinds[] = {
    &crmpi_kind_standard, &crmpi_kind_inherited, /* whatever they are */
    &crmpi_kind_path,     &crmpi_kind_pty,       &crmpi_kind_device,
    &crmpi_kind_system,   &crmpi_kind_regular,   &crmpi_kind_directory,
    &crmpi_kind_pipe,     &crmpi_kind_socket,    &crmpi_kind_epoll,
    &crmpi_kind_timerfd,  &crmpi_kind_eventfd,   &crmpi_kind_signalfd,
    &crmpi_kind_inotify,  &crmpi_kind_duplicate, NULL,
};

const struct crmpi_descriptor_kind *crmpi_descriptor_kind(int number)
{
    size_t i = 0;

    while (crmpi_descriptor_kinds[i] && crmpi_descriptor_kinds[i]->number != number)
        i++;
    return crmpi_descriptor_kinds[i];
}
