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
agentos_generated(agentd.schema.json DESTINATION ${share} COMMAND agentd --reference=schema DEPENDS agentd)
agentos_generated(completion.bash DESTINATION share/bash-completion/completions RENAME agentctl
                  COMMAND agentctl completion bash DEPENDS agentctl)
agentos_generated(completion.zsh DESTINATION share/zsh/vendor-completions RENAME _agentctl
                  COMMAND agentctl completion zsh DEPENDS agentctl)
agentos_generated(completion.fish DESTINATION share/fish/vendor_completions.d RENAME agentctl.fish
                  COMMAND agentctl completion fish DEPENDS agentctl)
agentos_generated(changelog.gz DESTINATION ${doc}
                  COMMAND gzip -9nc "${packaging}/debian/changelog" DEPENDS "${packaging}/debian/changelog")

# The manual. A page of agentctl is what the tree of commands says, and what man/ has to add under the same name.
find_program(SCDOC scdoc)
if(SCDOC)
  set(manual_agentctl spawn ps status inspect pause resume stop kill restart wait explain dead logs events contract company diff
      commit discard task msg cycle model cost audit system completion)
  function(agentos_manual page section)  # agentos_manual(agentctl-task 1 COMMAND …): COMMAND prints the scdoc
    set(extra "${PROJECT_SOURCE_DIR}/man/${page}.${section}.more.scd")
    set(file "${generated}/${page}.${section}.gz")
    set(rest)
    if(EXISTS "${extra}")
      set(rest "${extra}")
    endif()
    list(JOIN ARGN " " command)
    add_custom_command(OUTPUT "${file}" COMMAND sh -c "{ ${command} && cat /dev/null ${rest}; } | ${SCDOC} | gzip -9n > ${file}"
                       DEPENDS agentd agentctl ${rest} COMMENT "Writing ${page}(${section})" VERBATIM)
    set_property(GLOBAL APPEND PROPERTY AGENTOS_GENERATED "${file}")
    install(FILES "${file}" DESTINATION share/man/man${section})
  endfunction()
  agentos_manual(agentctl 1 "$<TARGET_FILE:agentctl>" __manual)
  foreach(name IN LISTS manual_agentctl)
    agentos_manual(agentctl-${name} 1 "$<TARGET_FILE:agentctl>" __manual ${name})
  endforeach()
  agentos_manual(agent-contract 5 "$<TARGET_FILE:agentctl>" __manual --contract)
  agentos_manual(agentd.yaml 5 "$<TARGET_FILE:agentd>" --reference=man)
  foreach(page agentd.8 agentd-spawner.8 agentd-keeper.8 company.7)
    string(REGEX MATCH "^(.*)\\.([0-9])$" split ${page})
    agentos_manual(${CMAKE_MATCH_1} ${CMAKE_MATCH_2} cat "${PROJECT_SOURCE_DIR}/man/${page}.scd")
  endforeach()
else()
  message(WARNING "scdoc not found: there will be no manual pages (apt-get install scdoc)")
endif()

get_property(files GLOBAL PROPERTY AGENTOS_GENERATED)
add_custom_target(package_files ALL DEPENDS ${files})
