# Run at each build: writes OUTPUT (version.c) from version.c.in when the commit of SOURCE changed.
execute_process(
    COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
    OUTPUT_VARIABLE COMMIT
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET
    RESULT_VARIABLE failed
)
if(failed OR NOT EXISTS ${SOURCE}/.git)
    set(COMMIT unknown)
endif()
configure_file(${SOURCE}/cmake/version.c.in ${OUTPUT} @ONLY)
