# The kinds of targets there are. Each takes the sources of its directory by name.

# Keep the files that exist; look again at each build.
function(ampscale_present out)
    file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} *.c)
    set(present)
    foreach(source ${ARGN})
        if(source IN_LIST found OR IS_ABSOLUTE ${source})
            list(APPEND present ${source})
        endif()
    endforeach()
    set(${out} ${present} PARENT_SCOPE)
endfunction()

# ampscale_core(NAME source...): pure code of one program. Links base and nothing else.
function(ampscale_core name)
    ampscale_present(sources ${ARGN})
    if(NOT sources)
        return()
    endif()
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC base)
    set_property(GLOBAL APPEND PROPERTY AMPSCALE_CORES ${name})
endfunction()

# ampscale_program(NAME CORES core... SOURCES source...): cores, net, IO and main.
function(ampscale_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "CORES;SOURCES")
    ampscale_present(sources ${arg_SOURCES})
    if(AMPSCALE_MODE STREQUAL "fuzz" OR NOT "main.c" IN_LIST sources)
        return()
    endif()
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${arg_CORES} net)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()
