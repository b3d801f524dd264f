# Builds for other platforms, or older ones of this, by the Clang in the package ziglang, which brings their C libraries:
#   pip install ziglang
#   cmake --toolchain libcpab/cmake/zig.cmake -DCPAB_ZIG_TARGET=aarch64-linux-gnu.2.28 ...
# ctest runs programs of other platforms in qemu's user mode or in Wine. On Debian and Ubuntu:
# apt install qemu-user libc6-arm64-cross wine
set(CPAB_ZIG_TARGET "" CACHE STRING "Processor, system and C library, as zig -target takes them")
find_program(CPAB_ZIG NAMES zig python-zig REQUIRED)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CPAB_ZIG CPAB_ZIG_TARGET)

if(NOT CPAB_ZIG_TARGET MATCHES "^(x86_64|aarch64)-(linux|macos|windows)[.-]")
  message(FATAL_ERROR "CPAB_ZIG_TARGET must be x86_64 or aarch64, and linux, macos or windows, as in "
    "x86_64-linux-gnu.2.28; got \"${CPAB_ZIG_TARGET}\".")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(zig_systems linux Linux macos Darwin windows Windows)
list(FIND zig_systems ${CMAKE_MATCH_2} zig_system)
math(EXPR zig_system "${zig_system} + 1")
list(GET zig_systems ${zig_system} CMAKE_SYSTEM_NAME)

set(CMAKE_C_COMPILER ${CPAB_ZIG} cc -target ${CPAB_ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${CPAB_ZIG} c++ -target ${CPAB_ZIG_TARGET})
# By itself it keeps frame pointers, and without -O checks for undefined behaviour. What is said here, CMake says to every
# program that it links, so that zig builds its runtimes once: for each set of options it has others.
set(zig_flags "-O2 -fomit-frame-pointer")
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Windows") # whose libraries have their symbols in files of their own
  string(APPEND zig_flags " -fPIC -s")
endif()
if(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  # Its linker for macOS knows no list of exports, and so hides nothing that is not hidden when it is compiled. A
  # library's name is not where it was built.
  set(CMAKE_BUILD_WITH_INSTALL_NAME_DIR ON)
  set(CMAKE_INSTALL_NAME_DIR "@rpath")
endif()
set(CMAKE_C_FLAGS_INIT ${zig_flags})
set(CMAKE_CXX_FLAGS_INIT ${zig_flags})
foreach(language C CXX) # -O3 is its word for -O2
  set(CMAKE_${language}_FLAGS_RELEASE_INIT "-O3 -Xclang -O3 -DNDEBUG")
endforeach()
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_STRIP true)
set(CMAKE_INSTALL_NAME_TOOL true) # names are right from the start
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE NEVER)

if(CPAB_ZIG_TARGET MATCHES "^aarch64-linux" AND NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
elseif(CPAB_ZIG_TARGET MATCHES "windows" AND NOT CMAKE_HOST_WIN32)
  set(CMAKE_CROSSCOMPILING_EMULATOR wine)
endif()
