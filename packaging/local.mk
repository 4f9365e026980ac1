# SPDX-License-Identifier: BSD-3-Clause
#
# For shells, for clusters, for distributions.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = packaging/completion/crmpi.bash
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = packaging/completion/_crmpi
modulefiledir = $(datadir)/modulefiles/crmpi
modulefile_DATA = packaging/$(PACKAGE_VERSION)

# bash-completion looks for a file that is called as the command is
install-data-hook:
	cd "$(DESTDIR)$(bashcompletiondir)" && rm -f crmpi-run && mv crmpi.bash crmpi-run && \
	    for tool in crmpi-restart crmpi-checkpoint crmpi-inspect; do \
	        rm -f $$tool && $(LN_S) crmpi-run $$tool || exit; done
uninstall-local:
	for tool in crmpi-run crmpi-restart crmpi-checkpoint crmpi-inspect; do \
	    rm -f "$(DESTDIR)$(bashcompletiondir)/$$tool"; done

# Installed paths are known to make only, not to configure.
CLEANFILES += packaging/$(PACKAGE_VERSION)
EXTRA_DIST += packaging/modulefile.in packaging/crmpi.spec.in packaging/spack/package.py
packaging/$(PACKAGE_VERSION): $(srcdir)/packaging/modulefile.in Makefile
	@$(MKDIR_P) packaging
	$(AM_V_GEN)sed -e 's|@PACKAGE_VERSION[@]|$(PACKAGE_VERSION)|g' \
	    -e 's|@MPI_SERIES[@]|$(firstword $(MPI_HAS))|' -e 's|@datadir[@]|$(datadir)|' \
	    -e 's|@bindir[@]|$(bindir)|' -e 's|@mandir[@]|$(mandir)|' \
	    -e 's|@includedir[@]|$(includedir)|' -e 's|@libdir[@]|$(libdir)|' \
	    $(srcdir)/packaging/modulefile.in >$@
