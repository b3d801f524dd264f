# The sources of libcpab_cuda, which nvcc compiles for a device, and the C++ compiler for the tests of its kernels.
# The PTX is that of 90, which a driver compiles for all that have nothing of their own here: 10.x, 11.x, those to come.
set(CPAB_CUDA_ARCHITECTURES "75-real;80-real;90;120-real" CACHE STRING
  "What libcpab_cuda is compiled for, as CMAKE_CUDA_ARCHITECTURES is written")

set(cuda_folder ${CMAKE_CURRENT_LIST_DIR}/src/cuda)
set(cuda_shared_sources complex_3d.cpp raster.cpp records.cpp status.cpp tessellation.cpp)
list(TRANSFORM cuda_shared_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/src/)
set(cuda_entry_sources ${cuda_folder}/flow.cu ${cuda_folder}/library.cu ${cuda_folder}/sample.cu
  ${cuda_folder}/warp.cu)
set(cuda_number_sources ${cuda_folder}/sample_fixed.cu)
set(cuda_part_sources ${cuda_folder}/flow_part.cu ${cuda_folder}/sample_part.cu)

# Calls `configure`(target) for each of the targets that make up the library as objects, and sets `objects` to
# these, and `parts` to the targets that have kernels. Kernels are compiled for each type of number and dimension, side
# by side.
function(add_cuda_objects prefix configure objects parts)
  set(made "")
  foreach(source IN LISTS cuda_part_sources)
    get_filename_component(name ${source} NAME_WE)
    foreach(ndim 3 2 1)
      foreach(number double float)
        set(target ${prefix}_${name}_${number}_${ndim})
        add_library(${target} OBJECT ${source})
        target_compile_definitions(${target} PRIVATE CPAB_NUMBER=${number} CPAB_NDIM=${ndim})
        list(APPEND made ${target})
      endforeach()
    endforeach()
  endforeach()
  foreach(source IN LISTS cuda_number_sources)
    get_filename_component(name ${source} NAME_WE)
    foreach(number double float)
      set(target ${prefix}_${name}_${number})
      add_library(${target} OBJECT ${source})
      target_compile_definitions(${target} PRIVATE CPAB_NUMBER=${number})
      list(APPEND made ${target})
    endforeach()
  endforeach()
  set(${parts} ${made} PARENT_SCOPE)
  add_library(${prefix}_entry OBJECT ${cuda_entry_sources})
  add_library(${prefix}_shared OBJECT ${cuda_shared_sources})
  list(APPEND made ${prefix}_entry ${prefix}_shared)
  set(all "")
  foreach(target IN LISTS made)
    target_compile_definitions(${target} PRIVATE CPAB_ISA=device CPAB_LANE_BYTES=0 CPAB_EXPORTS CPAB_VERSION=${cpab_version})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
      CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    cmake_language(CALL ${configure} ${target})
    list(APPEND all $<TARGET_OBJECTS:${target}>)
  endforeach()
  set(${objects} ${all} PARENT_SCOPE)
endfunction()

function(compile_for_device target)
  set_target_properties(${target} PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON
    CUDA_ARCHITECTURES "${CPAB_CUDA_ARCHITECTURES}")
  string(REPLACE ";" " " architectures "${CPAB_CUDA_ARCHITECTURES}")
  target_compile_definitions(${target} PRIVATE
    "CPAB_GPU_BUILD=CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${architectures}")
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall,-Wextra,-fno-exceptions,-fno-rtti>)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
  endif()
endfunction()

# Finds the compiler of devices, where that is wanted, or says why there is none. CMake enables languages in files
# alone, not in functions.
set(build_cuda OFF)
if(NOT CPAB_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES "${CPAB_CUDA_ARCHITECTURES}") # or enabling it asks for the GPU of the machine
    enable_language(CUDA)
    set(build_cuda ON)
  elseif(CPAB_CUDA STREQUAL "AUTO")
    message(STATUS "libcpab_cuda is left out: no nvcc. CPAB_CUDA=ON asks for it, CUDACXX names the compiler.")
  else()
    message(FATAL_ERROR "CPAB_CUDA=ON needs nvcc, and none was found. Install the CUDA toolkit, or let CUDACXX name "
      "its compiler; CPAB_CUDA=AUTO does without.")
  endif()
endif()

if(build_cuda)
  add_cuda_objects(cpab_cuda compile_for_device objects parts)
  add_library(cpab_cuda SHARED ${objects})
  set_target_properties(cpab_cuda PROPERTIES LINKER_LANGUAGE CUDA CUDA_RUNTIME_LIBRARY Static)
  if(WIN32)
    set_target_properties(cpab_cuda PROPERTIES PREFIX "")
  endif()
  if(UNIX AND NOT APPLE) # as libcpab, it must not need a C++ runtime
    target_link_options(cpab_cuda PRIVATE -static-libgcc -static-libstdc++ LINKER:--exclude-libs,ALL)
  endif()
endif()
