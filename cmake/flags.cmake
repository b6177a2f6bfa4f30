# Compiler and linker flags of the three modes. Everything of ours is compiled through the interface
# target `ampscale_flags`, so no directory sets flags of its own.
set(AMPSCALE_MODE "release" CACHE STRING "dev, release or fuzz")
set_property(CACHE AMPSCALE_MODE PROPERTY STRINGS dev release fuzz)
if(NOT AMPSCALE_MODE MATCHES "^(dev|release|fuzz)$")
    message(FATAL_ERROR "AMPSCALE_MODE is '${AMPSCALE_MODE}': expected dev, release or fuzz")
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu17: the cleanup attribute, accept4, epoll
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(ampscale_flags INTERFACE)

# The order of "a * b + c" is part of what decide() promises: no fused multiply-add anywhere.
target_compile_options(ampscale_flags INTERFACE
    -ffp-contract=off
    -fno-common
    -fno-strict-aliasing
    # No path of the machine it was built on; of two prefixes that match, the last one counts.
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
    -ffile-prefix-map=${CMAKE_BINARY_DIR}=build
)
target_compile_definitions(ampscale_flags INTERFACE _GNU_SOURCE)
target_include_directories(ampscale_flags INTERFACE ${CMAKE_SOURCE_DIR}/common ${CMAKE_SOURCE_DIR})

target_compile_options(ampscale_flags INTERFACE
    -Wall -Wextra -Wpedantic -Werror
    -Wconversion -Wsign-conversion -Wdouble-promotion -Wfloat-conversion
    -Wshadow -Wswitch-enum -Wvla -Wundef
    -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations -Wold-style-definition
    -Wformat=2 -Wcast-qual -Wcast-align -Wwrite-strings -Wpointer-arith
    -Wimplicit-fallthrough -Wdate-time
)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(ampscale_flags INTERFACE
        -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wtrampolines
        -Walloca -Wformat-overflow=2 -Wformat-signedness
    )
endif()

if(AMPSCALE_MODE STREQUAL "dev")
    set(sanitizers -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all)
    target_compile_options(ampscale_flags INTERFACE -O1 -g -fno-omit-frame-pointer ${sanitizers})
    target_link_options(ampscale_flags INTERFACE ${sanitizers})
elseif(AMPSCALE_MODE STREQUAL "fuzz")
    set(sanitizers
        -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all)
    target_compile_options(ampscale_flags INTERFACE -O1 -g -fno-omit-frame-pointer ${sanitizers})
    target_link_options(ampscale_flags INTERFACE ${sanitizers})
else()
    set(lto -flto -flto-partition=one -fno-fat-lto-objects) # small enough for one piece
    # -Wnull-dereference is here alone: ASan's instrumentation makes it report what cannot happen.
    target_compile_options(ampscale_flags INTERFACE
        -O2 -g ${lto} -Wnull-dereference
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
        -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fPIE
    )
    # Debian's startup objects lack CET's marks, so the linker would drop them. The shadow stack's
    # is true of them all the same; landing pads (IBT) they do not have, though all of ours does.
    target_link_options(ampscale_flags INTERFACE
        -O2 ${lto} -pie -ffile-prefix-map=${CMAKE_BINARY_DIR}=build -Wl,-z,shstk
        -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed
    )
    set(CMAKE_AR ${CMAKE_C_COMPILER_AR})
    set(CMAKE_RANLIB ${CMAKE_C_COMPILER_RANLIB})
endif()
