/* Runs a fuzz target once over each file of the directories it is given: the corpus as a test. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { INPUT_MAX_BYTES = 16 << 20 };

/* The input is copied into exactly its size, so that reading past its end is seen. */
static bool replay_file(const char *path, uint8_t *scratch)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(scratch, 1, INPUT_MAX_BYTES, file);
    bool read = ferror(file) == 0;
    (void)fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (!read || exact == NULL) {
        free(exact);
        return false;
    }
    memcpy(exact, scratch, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return true;
}

static int replay_directory(const char *path, uint8_t *scratch)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return -1;
    }
    int replayed = 0;
    const struct dirent *entry;
    while (replayed >= 0 && (entry = readdir(directory)) != NULL) {
        char file[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int length = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        bool fits = length > 0 && (size_t)length < sizeof(file);
        replayed = fits && replay_file(file, scratch) ? replayed + 1 : -1;
    }
    (void)closedir(directory);
    return replayed;
}

int main(int argc, char **argv)
{
    uint8_t *scratch = malloc(INPUT_MAX_BYTES);
    int failed = scratch == NULL || argc < 2 ? 1 : 0;
    for (int i = 1; i < argc && failed == 0; i++) {
        int replayed = replay_directory(argv[i], scratch);
        printf("%s: %d inputs\n", argv[i], replayed);
        failed = replayed > 0 ? 0 : 1;
    }
    free(scratch);
    return failed;
}
