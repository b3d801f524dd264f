#include "problem.h"

#include <algorithm>

#include "failure.h"
#include "tensor.h"

namespace cpabx {
namespace {

struct Choice {
    const char *name;
    int32_t value;
};

/* The value that the name of an attribute stands for. */
int32_t chosen(const Attributes &attributes, const char *attribute, const std::vector<Choice> &choices) {
    const std::string name = attributes.text(attribute);
    std::string names;
    for (const Choice &choice : choices) {
        if (name == choice.name) return choice.value;
        names += (names.empty() ? "" : ", ") + std::string(choice.name);
    }
    throw failure(std::string(attribute) + " must be one of " + names, "'" + name + "'", "Correct the node.");
}

}  // namespace

Problem::Problem(const Attributes &attributes, const Operator &of, bool size_is_input) {
    if (of.has_time()) time = attributes.numbers("time").at(0);
    if (of.has_flow()) read_tessellation(attributes);
    if (of.has_images()) read_image(attributes);
    if (of.kind == Kind::warp && !size_is_input) {
        output_size = attributes.integers("output_size");
        if (static_cast<int64_t>(output_size.size()) != sizes.ndim)
            throw failure("output_size must have a number for every axis", shown(output_size),
                          "Correct the node.");
    }
}

void Problem::read_tessellation(const Attributes &attributes) {
    const std::vector<int64_t> cells = attributes.integers("cells");
    const std::vector<double> bounds = attributes.numbers("bounds");
    if (bounds.size() != 2 * cells.size())
        throw failure("bounds must be two numbers for every axis", std::to_string(bounds.size()),
                      "Correct the node.");
    cpab_tessellation_options options = {};
    options.struct_size = sizeof(options);
    options.ndim = static_cast<int32_t>(cells.size());
    options.outside =
        chosen(attributes, "outside", {{"linear", CPAB_OUTSIDE_LINEAR}, {"nearest", CPAB_OUTSIDE_NEAREST}});
    for (size_t d = 0; d < std::min<size_t>(cells.size(), CPAB_MAX_NDIM); ++d) {
        options.cells[d] = cells[d];
        options.lower[d] = bounds[2 * d];
        options.upper[d] = bounds[2 * d + 1];
    }
    cpab_tessellation *made = nullptr;
    check(libcpab().create(&options, &made));
    tessellation.reset(made, libcpab().destroy);
    sizes.struct_size = sizeof(sizes);
    check(libcpab().sizes(made, &sizes));
}

void Problem::read_image(const Attributes &attributes) {
    image.struct_size = sizeof(image);
    image.interpolation = chosen(attributes, "mode",
                                 {{"linear", CPAB_INTERPOLATION_LINEAR},
                                  {"nearest", CPAB_INTERPOLATION_NEAREST},
                                  {"cubic", CPAB_INTERPOLATION_CUBIC}});
    image.padding = chosen(attributes, "padding_mode",
                           {{"zeros", CPAB_PADDING_ZEROS},
                            {"border", CPAB_PADDING_BORDER},
                            {"reflection", CPAB_PADDING_REFLECTION},
                            {"wrap", CPAB_PADDING_WRAP}});
    image.align_corners = static_cast<int32_t>(attributes.integer("align_corners"));
}

}  // namespace cpabx
