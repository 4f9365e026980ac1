# SPDX-License-Identifier: BSD-3-Clause
#
# Manual pages and documents.
dist_man_MANS += doc/crmpi.7 doc/crmpi-run.1 doc/crmpi-checkpoint.1 doc/crmpi-restart.1 \
	doc/crmpi-inspect.1 doc/CRMPI_Checkpoint.3 doc/CRMPI_Checkpoint_due.3 \
	doc/CRMPI_Critical_begin.3 doc/CRMPI_Exclude.3 doc/CRMPI_Hook_add.3 doc/CRMPI_Name.3

# Each call has a page: those that share one point to it.
man_aliases = doc/CRMPI_Critical_end.3 doc/CRMPI_Get_statistics.3 doc/CRMPI_Hook_remove.3 \
	doc/CRMPI_Include.3 doc/CRMPI_Refill.3 doc/CRMPI_Restarted.3 doc/CRMPI_Restore.3 \
	doc/CRMPI_Should_stop.3 doc/CRMPI_Unname.3
nodist_man_MANS = $(man_aliases)
CLEANFILES += $(man_aliases)
$(man_aliases):
	@$(MKDIR_P) doc
	$(AM_V_GEN)page=$$(cd $(srcdir)/doc && grep -lE '^CRMPI_.*\b$(basename $(@F))\b.* \\-' CRMPI_*.3) && \
	    echo ".so man3/$$page" >$@

dist_doc_DATA += doc/design.md doc/format.md doc/limits.md doc/promises.md doc/recovery-line.svg
