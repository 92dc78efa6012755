# SPDX-License-Identifier: Apache-2.0
# What is installed where (`cmake --install`), and the Debian package (`make package`, scripts/make-package).
#
#   PREFIX/bin            agentd, agentctl
#   PREFIX/lib/agentd     what agentd starts: agentd-spawner, agentd-keeper, agent-init, runtime/default
#   PREFIX/share/agentd   schema, openapi.json, the example company and its scripted model
# The programs find one another by their own place: a build's bin/ holds them all together, an installed bin/ has
# ../lib/agentd beside it.
include(GNUInstallDirs)
if(CMAKE_INSTALL_PREFIX_INITIALIZED_TO_DEFAULT)
  set(CMAKE_INSTALL_PREFIX /usr CACHE PATH "Where to install" FORCE)
  GNUInstallDirs_get_absolute_install_dir(CMAKE_INSTALL_FULL_SYSCONFDIR CMAKE_INSTALL_SYSCONFDIR SYSCONFDIR)
endif()
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(packaging "${PROJECT_SOURCE_DIR}/packaging")
set(generated "${PROJECT_BINARY_DIR}/package")
file(MAKE_DIRECTORY "${generated}")
set(private lib/agentd)
set(share share/agentd)
set(doc share/doc/agentd)

install(TARGETS agentd agentctl RUNTIME DESTINATION bin)
install(TARGETS agentd-spawner agentd-keeper agent-init RUNTIME DESTINATION ${private})
install(TARGETS agent-runner RUNTIME DESTINATION ${private}/runtime/default/bin)
install(DIRECTORY runtime/default/ DESTINATION ${private}/runtime/default)

install(FILES contracts/schema/agent-contract.schema.json docs/openapi.json DESTINATION ${share})
install(DIRECTORY contracts/examples/company DESTINATION ${share}/examples PATTERN .gitkeep EXCLUDE)
install(FILES demo/model.yaml DESTINATION ${share}/examples)

file(GLOB units CONFIGURE_DEPENDS "${packaging}/systemd/*.service" "${packaging}/systemd/*.socket" "${packaging}/systemd/*.slice")
file(GLOB catalogs CONFIGURE_DEPENDS "${packaging}/journal/*.catalog")
set(profiles "${packaging}/apparmor/agentd" "${packaging}/apparmor/agentd-spawner")
install(FILES ${units} DESTINATION lib/systemd/system)
install(FILES ${packaging}/sysusers.d/agentd.conf DESTINATION lib/sysusers.d)
install(FILES ${packaging}/tmpfiles.d/agentd.conf DESTINATION lib/tmpfiles.d)
install(FILES ${catalogs} DESTINATION lib/systemd/catalog)
install(FILES ${profiles} DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/apparmor.d)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/agents)

file(GLOB pages CONFIGURE_DEPENDS docs/*.md)
install(FILES README.md ${pages} DESTINATION ${doc})
install(FILES ${packaging}/debian/copyright DESTINATION ${doc})

install(FILES ${packaging}/lintian/agentd DESTINATION share/lintian/overrides)

include(PackageGenerated)  # agentd.yaml, man pages, completions: made by the programs that they are about
include(PackageDebian)
