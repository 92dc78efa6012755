# SPDX-License-Identifier: Apache-2.0
# What the programs tell about themselves, written to files: the commented agentd.yaml, the completion scripts and the
# manual. So none of them says what the program does not do.
function(agentos_generated name)  # agentos_generated(agentd.yaml DESTINATION … COMMAND …): stdout into the file
  cmake_parse_arguments(arg "" "DESTINATION;RENAME" "COMMAND;DEPENDS" ${ARGN})
  set(file "${generated}/${name}")
  add_custom_command(OUTPUT "${file}" COMMAND ${arg_COMMAND} > "${file}.new" COMMAND ${CMAKE_COMMAND} -E rename "${file}.new" "${file}"
                     DEPENDS ${arg_DEPENDS} COMMENT "Writing ${name}" VERBATIM)
  set_property(GLOBAL APPEND PROPERTY AGENTOS_GENERATED "${file}")
  if(arg_RENAME)
    install(FILES "${file}" DESTINATION ${arg_DESTINATION} RENAME ${arg_RENAME})
  else()
    install(FILES "${file}" DESTINATION ${arg_DESTINATION})
  endif()
endfunction()

agentos_generated(agentd.yaml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/agentd
                  COMMAND agentd --reference=yaml DEPENDS agentd)
agentos_generated(completion.bash DESTINATION share/bash-completion/completions RENAME agentctl
                  COMMAND agentctl completion bash DEPENDS agentctl)
agentos_generated(completion.zsh DESTINATION share/zsh/vendor-completions RENAME _agentctl
                  COMMAND agentctl completion zsh DEPENDS agentctl)
agentos_generated(completion.fish DESTINATION share/fish/vendor_completions.d RENAME agentctl.fish
                  COMMAND agentctl completion fish DEPENDS agentctl)
agentos_generated(changelog.gz DESTINATION ${doc}
                  COMMAND gzip -9nc "${packaging}/debian/changelog" DEPENDS "${packaging}/debian/changelog")

get_property(files GLOBAL PROPERTY AGENTOS_GENERATED)
add_custom_target(package_files ALL DEPENDS ${files})
