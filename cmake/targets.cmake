# The kinds of targets there are. Each takes the sources of its directory by name.

# ampscale_core(NAME source...): pure code of one program. Links base, at most another core.
function(ampscale_core name)
    add_library(${name} STATIC ${ARGN})
    target_link_libraries(${name} PUBLIC base)
    set_property(GLOBAL APPEND PROPERTY AMPSCALE_CORES ${name})
endfunction()

# ampscale_program(NAME CORES core... SOURCES source...): cores, net, IO and main.
function(ampscale_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "CORES;SOURCES")
    if(AMPSCALE_MODE STREQUAL "fuzz")
        return() # no fuzz target needs a program, nor the libraries it links
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_CORES} net)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()
