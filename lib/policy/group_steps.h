/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the machine of a group consists of: group.c brings the members to one cut, group_save.c
 * saves them, and both use group_member.c.  For these only.  Pure.
 */
#ifndef CRMPI_POLICY_GROUP_STEPS_H
#define CRMPI_POLICY_GROUP_STEPS_H

#include "policy/group.h"

/* Bits of `missing` and `pending`: the children, and this rank itself. */
#define CRMPI_GROUP_OWN (1u << CRMPI_MEMBER_CHILDREN)

/* ---- group_member.c ---- */

struct crmpi_message crmpi_group_message(const struct crmpi_group *group,
                                         enum crmpi_message_kind kind);
void crmpi_group_send_up(struct crmpi_group *group, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes);
void crmpi_group_send_down(struct crmpi_group *group, const struct crmpi_message *message,
                           const void *payload, size_t payload_bytes);
/** Have something done; the ranks that take part go with it. */
void crmpi_group_act(struct crmpi_group *group, struct crmpi_action *action);
/** Begin a phase: nobody has done it yet. */
void crmpi_group_enter(struct crmpi_group *group, enum crmpi_group_phase phase);
/** This rank has done the phase, unless it has said that it cannot. */
void crmpi_group_own_done(struct crmpi_group *group, enum crmpi_group_phase phase,
                          int64_t now_ms);

/* ---- group_save.c ---- */

void crmpi_group_save(struct crmpi_group *group, int64_t now_ms);
/** All members have taken their memory: their threads go on; @p ordinal is the highest one
 * asked for till then. */
void crmpi_group_resume(struct crmpi_group *group, uint64_t ordinal);
/** SAVING or COMPLETING has been done from this rank downwards: tell the parent. */
void crmpi_group_report_saved(struct crmpi_group *group);
/** The event CAPTURED or SAVED. */
void crmpi_group_own_captured(struct crmpi_group *group, int64_t now_ms);
void crmpi_group_own_saved(struct crmpi_group *group, const struct crmpi_event *event);
/** The report of a child. */
enum crmpi_status crmpi_group_take_saved(struct crmpi_group *group, unsigned child,
                                         const struct crmpi_event *event);
/** This rank learns the outcome: pass it on, then act on it. */
void crmpi_group_end(struct crmpi_group *group, const struct crmpi_message *outcome,
                     const void *payload, size_t payload_bytes, int64_t now_ms);

#endif
