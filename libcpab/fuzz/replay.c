/* The fuzzer's entry point on files, one after the other: its corpus as a test, with any compiler. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path) {
    static uint8_t content[1 << 16];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    const size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    uint8_t *data = malloc(size + !size); /* of exactly this size, for the sanitizer */
    if (!data) return 1;
    for (size_t i = 0; i < size; i++) data[i] = content[i];
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv) {
    int failures = argc < 2;
    for (int i = 1; i < argc; i++) failures += replay(argv[i]);
    return failures != 0;
}
