/* Moves a grid of points along one whirl and prints where they arrive. */
#include <stdio.h>

#include "cpab.h"

enum { cells = 2, n_vertices = 13, side = 5, n_points = side * side };

static int failed(cpab_status status) {
    if (status == CPAB_OK) return 0;
    const cpab_message *message = cpab_explain(status);
    fprintf(stderr, "%s; got %s. %s\n", message->required, message->received, message->remedy);
    return 1;
}

int main(void) {
    const cpab_tessellation_options options = {.struct_size = sizeof options,
                                               .ndim = 2,
                                               .outside = CPAB_OUTSIDE_NEAREST,
                                               .cells = {cells, cells},
                                               .lower = {-1, -1},
                                               .upper = {1, 1}};
    cpab_tessellation *tess;
    if (failed(cpab_tessellation_create(&options, &tess))) return 1;

    /* At rest on the border; around the middle, the centres of the four rectangles go in a circle. */
    float velocity[n_vertices][2] = {{0}}, points[n_points][2];
    const float whirl[4][2] = {{0.5f, -0.5f}, {0.5f, 0.5f}, {-0.5f, -0.5f}, {-0.5f, 0.5f}};
    for (int centre = 0; centre < 4; centre++)
        for (int d = 0; d < 2; d++) velocity[9 + centre][d] = whirl[centre][d];
    for (int i = 0; i < n_points; i++) {
        points[i][0] = -1 + 2 * (float)(i % side) / (side - 1);
        points[i][1] = -1 + 2 * (float)(i / side) / (side - 1);
    }

    cpab_call call = {.struct_size = sizeof call,
                      .tess = tess,
                      .dtype = CPAB_FLOAT32,
                      .device = CPAB_CPU,
                      .n_batch = 1,
                      .n_points = n_points,
                      .points_batch = 1,
                      .time = 1,
                      .n_threads = 1};
    const cpab_status status = cpab_transform(&call, points, velocity, points);
    cpab_tessellation_destroy(tess);
    if (failed(status)) return 1;
    for (int i = 0; i < n_points; i++)
        printf("(%6.3f, %6.3f)%s", (double)points[i][0], (double)points[i][1],
               i % side == side - 1 ? "\n" : "  ");
    return 0;
}
