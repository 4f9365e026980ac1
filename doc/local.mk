# SPDX-License-Identifier: BSD-3-Clause
#
# Manual pages and documents.
dist_man_MANS += doc/crmpi.7 doc/crmpi-run.1 doc/crmpi-checkpoint.1 doc/crmpi-restart.1 \
	doc/crmpi-inspect.1 doc/CRMPI_Checkpoint.3 doc/CRMPI_Checkpoint_due.3 \
	doc/CRMPI_Critical_begin.3 doc/CRMPI_Exclude.3 doc/CRMPI_Hook_add.3 doc/CRMPI_Name.3
dist_doc_DATA += doc/design.md doc/format.md doc/limits.md doc/promises.md doc/recovery-line.svg
