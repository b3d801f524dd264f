# Enables C and C++, or says in words of ours which compiler is needed, and how to get one.
include(CheckLanguage)

set(compiler_advice
  "  Debian, Ubuntu:  sudo apt-get install g++\n"
  "  Fedora:          sudo dnf install gcc-c++\n"
  "  macOS:           xcode-select --install\n"
  "  Windows:         the workload \"Desktop development with C++\" of the Visual Studio Build Tools\n"
  "CC and CXX name others than the system's. A wheel of cpabx needs no compiler.")
string(CONCAT compiler_advice ${compiler_advice})

foreach(language C CXX)
  check_language(${language})
  if(NOT CMAKE_${language}_COMPILER)
    set(variable ${language})
    if(language STREQUAL "C")
      set(variable CC)
    endif()
    if(DEFINED ENV{${variable}})
      set(found "${variable}=$ENV{${variable}}, which is none")
    else()
      set(found "none on this machine")
    endif()
    message(FATAL_ERROR "libcpab needs a C compiler and one of C++17; found ${found}.\n${compiler_advice}")
  endif()
  enable_language(${language})
endforeach()

if(NOT "cxx_std_17" IN_LIST CMAKE_CXX_COMPILE_FEATURES)
  message(FATAL_ERROR "libcpab needs a compiler of C++17; found ${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION} at ${CMAKE_CXX_COMPILER}, which is older.\n${compiler_advice}")
endif()
