# SPDX-License-Identifier: BSD-3-Clause
#
# When and how checkpoints are taken: pure state machines.

crmpi_policy_sources = \
	lib/policy/coordinated.c lib/policy/policy.h \
	lib/policy/daly.c lib/policy/daly.h \
	lib/policy/finish.c lib/policy/finish.h \
	lib/policy/group.c lib/policy/group.h \
	lib/policy/group_member.c lib/policy/group_save.c lib/policy/group_steps.h \
	lib/policy/none.c lib/policy/partial.c \
	lib/policy/members.c lib/policy/members.h lib/policy/varint.h \
	lib/policy/rank.c lib/policy/rank.h \
	lib/policy/tally.c lib/policy/tally.h
# Needs libcrmpi-recovery.a.
crmpi_policy_alone_sources = \
	lib/policy/keeper.c lib/policy/keeper.h \
	lib/policy/uncoordinated.c
crmpi_host_SOURCES += $(crmpi_policy_sources) $(crmpi_policy_alone_sources)
crmpi_host_LDADD += -lm
