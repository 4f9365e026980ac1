/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of addresses that this process has.  Lower half.
 */
#ifndef CRMPI_PROGRAM_PERSONALITY_H
#define CRMPI_PROGRAM_PERSONALITY_H

/** What the next program finds in the environment; it is taken out there. */
#define CRMPI_LAYOUT_VARIABLE "CRMPI_LAYOUT"

/**
 * See that everything of this process lies where it ordinarily does, if need be by
 * executing it once more: first of all.  Afterwards limits and personality are those that
 * the process was started with, for the application and what it starts.
 */
void crmpi_layout_settle(char **argv);

/**
 * Execute this process once more, without randomness, because there is something of it at
 * an address where a checkpoint has memory; afterwards everything is as before.  Returns
 * if that has been tried already.
 */
void crmpi_layout_again(char **argv);

#endif
