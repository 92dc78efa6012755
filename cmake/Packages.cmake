# SPDX-License-Identifier: Apache-2.0
# Every third-party library, found once. cmake/packages.txt is the list that `make` installs; a library that is not
# found is refused with the line of that list to install.
find_package(PkgConfig REQUIRED)

function(agentos_require target package)  # agentos_require(target debian-package pkg-config-name…)
  pkg_check_modules(${target} IMPORTED_TARGET GLOBAL ${ARGN})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${ARGN} not found: apt-get install ${package} (cmake/packages.txt has the whole list; "
                        "`make deps` installs it)")
  endif()
  add_library(agentos_dep_${target} INTERFACE)
  target_link_libraries(agentos_dep_${target} INTERFACE PkgConfig::${target})
  add_library(dep::${target} ALIAS agentos_dep_${target})
endfunction()

agentos_require(yaml libyaml-cpp-dev yaml-cpp)
agentos_require(spdlog libspdlog-dev spdlog)
agentos_require(json nlohmann-json3-dev nlohmann_json)
agentos_require(curl libcurl4-openssl-dev libcurl)
agentos_require(seccomp libseccomp-dev libseccomp)
agentos_require(sqlite libsqlite3-dev sqlite3)
agentos_require(crypto libssl-dev libcrypto)
agentos_require(systemd libsystemd-dev libsystemd)
agentos_require(cgroup libcgroup-dev libcgroup)
agentos_require(cli11 libcli11-dev CLI11)

# A package is to run on the next distribution too, where yaml-cpp, spdlog, fmt and libcgroup have other sonames: in it they
# are part of the programs. Elsewhere the shared ones build faster.
option(AGENTOS_PORTABLE "Link what has another soname on another distribution into the programs" OFF)
if(AGENTOS_PORTABLE)
  find_library(YAML_CPP_ARCHIVE libyaml-cpp.a REQUIRED)
  set_target_properties(agentos_dep_yaml PROPERTIES INTERFACE_LINK_LIBRARIES "${YAML_CPP_ARCHIVE}")
  target_include_directories(agentos_dep_yaml SYSTEM INTERFACE ${yaml_INCLUDE_DIRS})
  find_library(CGROUP_ARCHIVE libcgroup.a REQUIRED)
  set_target_properties(agentos_dep_cgroup PROPERTIES INTERFACE_LINK_LIBRARIES "${CGROUP_ARCHIVE}")
  set_target_properties(agentos_dep_spdlog PROPERTIES INTERFACE_LINK_LIBRARIES "")
  target_compile_definitions(agentos_dep_spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
endif()

find_package(Boost 1.81 QUIET)
if(NOT Boost_FOUND)
  message(FATAL_ERROR "Boost 1.81 or newer not found: apt-get install libboost1.81-dev (`make deps` installs everything)")
endif()
find_package(Threads REQUIRED)
find_package(date QUIET)
if(NOT date_FOUND)
  message(FATAL_ERROR "date not found: apt-get install libhowardhinnant-date-dev")
endif()
add_library(agentos_dep_zones INTERFACE)
target_link_libraries(agentos_dep_zones INTERFACE date::date-tz)
add_library(dep::zones ALIAS agentos_dep_zones)

# Asio and Beast are compiled once, in cmake/asio.cpp, so that a translation unit that uses them costs less.
add_library(agentos_asio STATIC "${CMAKE_CURRENT_LIST_DIR}/asio.cpp")
target_include_directories(agentos_asio SYSTEM PUBLIC ${Boost_INCLUDE_DIRS})
target_compile_definitions(agentos_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_BEAST_USE_STD_STRING_VIEW BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(agentos_asio PUBLIC Threads::Threads)
add_library(dep::asio ALIAS agentos_asio)

# The programs alone need no GoogleTest (`make run`): AUTO leaves the tests out where it is not, and says so.
set(AGENTOS_TESTS ON CACHE STRING "Configure the tests: ON, OFF, or AUTO: where GoogleTest is")
if(NOT AGENTOS_FUZZ AND AGENTOS_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND AND AGENTOS_TESTS STREQUAL "AUTO")
    message(STATUS "GoogleTest not found: no tests (`make test` installs it: libgtest-dev libgmock-dev)")
  elseif(NOT GTest_FOUND)
    message(FATAL_ERROR "GoogleTest not found: apt-get install libgtest-dev libgmock-dev, or -DAGENTOS_TESTS=OFF")
  endif()
endif()
