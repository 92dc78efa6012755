# SPDX-License-Identifier: Apache-2.0
# agentd_VERSION_ARCH.deb by CPack. One package fits Debian 12 and Ubuntu 24.04: what differs between the two in its
# soname is linked in (Packages.cmake), what differs in the package's name is an alternative (PackageDepends.cmake).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME agentd)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "agentd maintainers <maintainers@agentd.example>")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}")
set(CPACK_SET_DESTDIR ON)  # /etc is not below the prefix
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "supervisor of AI agents, as an init system supervises services")
set(CPACK_PACKAGE_DESCRIPTION "agentd runs AI agents on one server. Each agent has a contract that says what
it may do, spend and use; agentd gives it work from a queue of files, a walled
room (control group, namespaces, seccomp) and a metered line to a model, and
keeps a hash-chained audit log of every step. agentctl is the operator's tool.")
set(CPACK_PACKAGE_HOMEPAGE_URL "https://agentd.example")
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.52), systemd (>= 249), passwd, tzdata, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "apparmor")
# Libraries: cmake/PackageDepends.cmake asks dpkg-shlibdeps, when the package is made.
set(CPACK_PROJECT_CONFIG_FILE "${PROJECT_SOURCE_DIR}/cmake/PackageDepends.cmake")
set(CPACK_AGENTOS_BIN_DIR "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(debian "${packaging}/debian")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${debian}/conffiles;${debian}/postinst;${debian}/prerm;${debian}/postrm")

include(CPack)
