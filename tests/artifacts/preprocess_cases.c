/* Frames from standard input through preprocess(), in buffers of exactly their size, so that a sanitizer sees any byte
 * beyond: of each six uint32 (width, height, stride, format, view, filter), a count of bytes, the bytes. Out come the
 * status and PREPROCESS_BYTES bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess.h"

int main(void)
{
    uint32_t head[7];

    while (fread(head, sizeof head, 1, stdin) == 1) {
        uint8_t *data = malloc(head[6]);
        uint8_t *input = malloc(PREPROCESS_BYTES);
        struct preprocess_frame frame = {data, head[0], head[1], head[2], (enum preprocess_format)head[3]};
        uint32_t status;

        memset(input, 0xA5, PREPROCESS_BYTES);
        if (head[6] > 0 && fread(data, head[6], 1, stdin) != 1) {
            return 1;
        }
        status = preprocess(&frame, (enum preprocess_view)head[4], (enum preprocess_filter)head[5], input);
        fwrite(&status, sizeof status, 1, stdout);
        fwrite(input, PREPROCESS_BYTES, 1, stdout);
        free(data);
        free(input);
    }
    return 0;
}
