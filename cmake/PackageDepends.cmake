# SPDX-License-Identifier: Apache-2.0
# Read by CPack when it makes the package: what dpkg-shlibdeps finds in the programs, each library also under the name
# that it has since Debian's and Ubuntu's change to 64-bit time (libssl3 → libssl3t64).
set(scratch "${CPACK_PACKAGE_DIRECTORY}/package/shlibdeps")
file(MAKE_DIRECTORY "${scratch}/debian")
file(WRITE "${scratch}/debian/control" "Source: agentd\n\nPackage: agentd\nArchitecture: any\n")
set(programs)
foreach(program agentd agentctl agentd-spawner agentd-keeper agent-runner)
  list(APPEND programs "-e${CPACK_AGENTOS_BIN_DIR}/${program}")
endforeach()
execute_process(COMMAND dpkg-shlibdeps -O ${programs} WORKING_DIRECTORY "${scratch}"
                OUTPUT_VARIABLE found ERROR_VARIABLE complaint RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "dpkg-shlibdeps cannot say which libraries the programs need: ${complaint}")
endif()
string(REGEX REPLACE "^shlibs:Depends=" "" found "${found}")
string(REPLACE ", " ";" found "${found}")
set(depends)
foreach(one IN LISTS found)
  # libc6, libgcc-s1, libstdc++6, libsystemd0, libseccomp2, libsqlite3-0 kept their names.
  if(one MATCHES "^(libcurl4|libssl3|libdate-tz3)( .*)?$")
    set(one "${one} | ${CMAKE_MATCH_1}t64")
  endif()
  list(APPEND depends "${one}")
endforeach()
list(JOIN depends ", " depends)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "${depends}, ${CPACK_DEBIAN_PACKAGE_DEPENDS}")
