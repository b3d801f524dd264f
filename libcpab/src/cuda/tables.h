/*
 * What kernels read of a tessellation: one piece of memory that holds all tables, each at a multiple of 16
 * bytes from its start. The host fills it, the caller copies it to the device.
 */
#ifndef CPAB_CUDA_TABLES_H
#define CPAB_CUDA_TABLES_H

#include "../field.h"

namespace cpab {
namespace CPAB_ISA {

/* Addresses of the tables, whatever memory they lie in. */
template <typename T>
struct Tables {
    const T *rows, *start, *crossing; /* see records.h */
    const int32_t *cell_node;         /* as in tessellation.h, like the next three */
    const int32_t *ideal_first, *ideal_vertex;
    const double *ideal_weight;
    /* The other way round: vertex v is in the ideal nodes number share_node[share_first[v]] to before
       share_node[share_first[v + 1]], counted from the first ideal one, with these weights. */
    const int32_t *share_first, *share_node;
    const double *share_weight;
};

/* Hands out places for arrays one after the other. More bytes than can be counted are the most that can be,
   which no memory has. */
class Places {
public:
    explicit Places(void *base) : base_(static_cast<unsigned char *>(base)) {}

    template <typename T>
    T *take(int64_t n) {
        void *const place = base_ ? base_ + bytes_ : nullptr;
        const int64_t left = most_bytes - bytes_;
        bytes_ += n < left / int64_t(sizeof(T)) ? (n * int64_t(sizeof(T)) + 15) / 16 * 16 : left;
        return static_cast<T *>(place);
    }

    int64_t bytes() const { return bytes_; }

private:
    static constexpr int64_t most_bytes = INT64_MAX / 16 * 16;

    unsigned char *const base_;
    int64_t bytes_ = 0;
};

/* Calls visit(table, its elements on the host or NULL, their number) for all tables. */
template <typename T, typename Visit>
void each_table(const cpab_tessellation &tess, Tables<T> &tables, Visit visit) {
    const Records<T> &records = records_of<T>(tess);
    const int64_t n_shares = tess.ideal_first[tess.n_nodes - tess.n_vertices];
    visit(tables.rows, records.rows.data(), records.rows.size());
    visit(tables.start, records.start.data(), records.start.size());
    visit(tables.crossing, records.crossing.data(), records.crossing.size());
    visit(tables.cell_node, tess.cell_node.data(), tess.cell_node.size());
    visit(tables.ideal_first, tess.ideal_first.data(), tess.ideal_first.size());
    visit(tables.ideal_vertex, tess.ideal_vertex.data(), n_shares);
    visit(tables.ideal_weight, tess.ideal_weight.data(), n_shares);
    const int32_t *const no_integers = nullptr;
    const double *const no_numbers = nullptr;
    visit(tables.share_first, no_integers, tess.n_vertices + 1);
    visit(tables.share_node, no_integers, n_shares);
    visit(tables.share_weight, no_numbers, n_shares);
}

/* Where the tables of a tessellation lie behind `base`; returns their size in bytes. */
template <typename T>
int64_t place_tables(const cpab_tessellation &tess, const void *base, Tables<T> &tables) {
    Places places(const_cast<void *>(base));
    each_table<T>(tess, tables, [&](auto &table, const auto *, int64_t n) {
        table =
            places.take<std::remove_const_t<std::remove_pointer_t<std::remove_reference_t<decltype(table)>>>>(
                n);
    });
    return places.bytes();
}

/* The entries of ideal nodes, by vertex: in the order of the nodes. `first` [n_vertices + 1]. */
inline void share_by_vertex(const cpab_tessellation &tess, int32_t *first, int32_t *node, double *weight) {
    const int64_t n_ideal = tess.n_nodes - tess.n_vertices;
    std::fill(first, first + tess.n_vertices + 1, 0);
    for (int32_t e = 0; e < tess.ideal_first[n_ideal]; e++) first[tess.ideal_vertex[e] + 1]++;
    for (int64_t v = 0; v < tess.n_vertices; v++) first[v + 1] += first[v];
    for (int64_t q = 0; q < n_ideal; q++)
        for (int32_t e = tess.ideal_first[q]; e < tess.ideal_first[q + 1]; e++) {
            const int32_t at = first[tess.ideal_vertex[e]]++; /* ends up one vertex on, */
            node[at] = int32_t(q);
            weight[at] = tess.ideal_weight[e];
        }
    for (int64_t v = tess.n_vertices; v > 0; v--) first[v] = first[v - 1]; /* and goes back */
    first[0] = 0;
}

/* Writes the tables to `host`. */
template <typename T>
void fill_tables(const cpab_tessellation &tess, void *host) {
    Tables<T> tables;
    std::memset(host, 0, size_t(place_tables<T>(tess, host, tables)));
    each_table<T>(tess, tables, [](const auto *table, const auto *elements, int64_t n) {
        if (elements && n > 0)
            std::memcpy(const_cast<void *>(static_cast<const void *>(table)), elements,
                        size_t(n) * sizeof *elements);
    });
    share_by_vertex(tess, const_cast<int32_t *>(tables.share_first), const_cast<int32_t *>(tables.share_node),
                    const_cast<double *>(tables.share_weight));
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
