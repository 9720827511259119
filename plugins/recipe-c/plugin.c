// A plugin in C: no WASI, no C library, one file. It answers with one box around everything that is clearly green.
//
//   clang --target=wasm32 -O2 -msimd128 -mbulk-memory -ffreestanding -nostdlib -Wl,--no-entry -o plugin.wasm plugin.c
//   vaern plugin pack --module plugin.wasm --manifest vaern.toml --out RELEASE
//
// What stands here by hand is the canonical ABI of the world in wit/vision.wit, as far as this plugin uses it: a record is a
// struct, a list or string is a pointer and a length, what does not fit one number is returned through memory.

#include <stddef.h>
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("tmf:vision/frames@0.1.0"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

struct size { uint16_t width, height; };
struct bytes { uint8_t *start; size_t length; };
// result<list<u8>, frame-error>: `tag` 0 is the list, 1 the error.
struct rows { uint8_t tag; struct bytes list; };

IMPORT("[method]frame.size") void frame_size(int32_t frame, struct size *out);
IMPORT("[method]frame.rows") void frame_rows(int32_t frame, int32_t y, int32_t count, struct rows *out);
IMPORT("[resource-drop]frame") void frame_drop(int32_t frame);

struct text { const char *start; size_t length; };
struct description { const struct text *labels; size_t labels_length; struct size frame; };
struct detection { uint16_t label, x, y, width, height; uint8_t score; };
// result<list<detection>, plugin-error>
struct answer { uint8_t tag; union { struct { const struct detection *start; size_t length; } list; uint8_t error; }; };

// What the host hands in lies here, one strip at a time: an instance lives for one frame, so nothing need ever be freed.
#define ROWS 8
static uint8_t strip[ROWS * 1280 * 3 + 64];

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size) {
    (void)old, (void)old_size, (void)align;
    if (new_size > sizeof strip) __builtin_trap();
    return strip;
}

EXPORT("tmf:vision/plugin@0.1.0#describe") const struct description *describe(void) {
    static const struct text labels[] = {{"affaldscontainer", 16}};
    static const struct description description = {labels, 1, {1280, 720}};
    return &description;
}

EXPORT("tmf:vision/plugin@0.1.0#detect") const struct answer *detect(int32_t frame) {
    static struct detection found;
    static struct answer answer;
    struct size size;
    frame_size(frame, &size);
    uint32_t x0 = size.width, y0 = size.height, x1 = 0, y1 = 0, count = 0;
    for (uint32_t top = 0; top < size.height; top += ROWS) {
        uint32_t rows = size.height - top < ROWS ? size.height - top : ROWS;
        struct rows got;
        frame_rows(frame, top, rows, &got);
        if (got.tag != 0) {
            frame_drop(frame);
            answer = (struct answer){.tag = 1, .error = 1};
            return &answer;
        }
        const uint8_t *pixel = got.list.start;
        for (uint32_t y = top; y < top + rows; y++) {
            for (uint32_t x = 0; x < size.width; x++, pixel += 3) {
                if (pixel[1] > pixel[0] + 40 && pixel[1] > pixel[2] + 40) {
                    x0 = x < x0 ? x : x0;
                    x1 = x >= x1 ? x + 1 : x1;
                    y0 = y < y0 ? y : y0;
                    y1 = y + 1;
                    count++;
                }
            }
        }
    }
    // A borrowed frame is given back before the answer.
    frame_drop(frame);
    answer.tag = 0;
    answer.list.start = &found;
    answer.list.length = count > 400;
    found = (struct detection){0, (uint16_t)x0, (uint16_t)y0, (uint16_t)(x1 - x0), (uint16_t)(y1 - y0), 128};
    return &answer;
}
