# Debian's libraries. What is not needed in a mode is not looked for.
find_library(YAML_LIBRARY yaml REQUIRED)
find_library(MATH_LIBRARY m REQUIRED)
find_path(SNAPPY_INCLUDE_DIR snappy-c.h REQUIRED)
find_library(SNAPPY_LIBRARY snappy REQUIRED)
if(AMPSCALE_MODE STREQUAL "release")
    # Snappy's C++ runtime as a shared library costs a sidecar 1.3 MiB resident, the part of it that
    # compressing needs next to nothing.
    find_library(SNAPPY_ARCHIVE libsnappy.a REQUIRED)
    set(SNAPPY_LIBRARY ${SNAPPY_ARCHIVE})
    foreach(runtime libstdc++.a libgcc_eh.a)
        execute_process(
            COMMAND ${CMAKE_C_COMPILER} -print-file-name=${runtime}
            OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE
        )
        if(NOT EXISTS ${found})
            message(FATAL_ERROR "${runtime} is missing (Debian: libstdc++-12-dev)")
        endif()
        list(APPEND SNAPPY_LIBRARY ${found})
    endforeach()
endif()

if(NOT AMPSCALE_MODE STREQUAL "fuzz")
    find_package(CURL 7.88 REQUIRED)
    find_package(OpenSSL 3.0 REQUIRED)
    find_package(ZLIB REQUIRED)
    find_path(H2O_INCLUDE_DIR h2o.h REQUIRED)
    find_library(H2O_LIBRARY h2o-evloop REQUIRED)
endif()
