# Debian's libraries. What is not needed in a mode is not looked for.
find_path(JSMN_INCLUDE_DIR jsmn.h REQUIRED)
find_library(YAML_LIBRARY yaml REQUIRED)
find_library(MATH_LIBRARY m REQUIRED)
find_path(SNAPPY_INCLUDE_DIR snappy-c.h REQUIRED)
find_library(SNAPPY_LIBRARY snappy REQUIRED)

if(NOT AMPSCALE_MODE STREQUAL "fuzz")
    find_package(CURL 7.88 REQUIRED)
    find_package(OpenSSL 3.0 REQUIRED)
    find_path(H2O_INCLUDE_DIR h2o.h REQUIRED)
    find_library(H2O_LIBRARY h2o-evloop REQUIRED)
endif()
