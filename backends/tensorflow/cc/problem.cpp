#include "problem.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "status.h"

namespace cpabx {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::Tensor;

/* An attribute that has one of some names, which stand for values of an enumeration of libcpab. */
struct Choice {
    struct Value {
        const char *name;
        int32_t value;
    };

    const char *attribute;
    std::vector<Value> values;

    std::string declaration() const {
        const auto quoted = [](std::string *out, const Value &it) {
            absl::StrAppend(out, "'", it.name, "'");
        };
        return absl::StrCat(attribute, ": {", absl::StrJoin(values, ", ", quoted), "}");
    }

    absl::Status read(OpKernelConstruction *construction, int32_t *value) const {
        std::string name;
        TF_RETURN_IF_ERROR(construction->GetAttr(attribute, &name));
        *value = std::find_if(values.begin(), values.end(), [&](const Value &it) {
                     return it.name == name;
                 })->value;
        return absl::OkStatus();
    }
};

const Choice &outside() {
    static const Choice choice = {"outside",
                                  {{"linear", CPAB_OUTSIDE_LINEAR}, {"nearest", CPAB_OUTSIDE_NEAREST}}};
    return choice;
}

const Choice &mode() {
    static const Choice choice = {"mode",
                                  {{"linear", CPAB_INTERPOLATION_LINEAR},
                                   {"nearest", CPAB_INTERPOLATION_NEAREST},
                                   {"cubic", CPAB_INTERPOLATION_CUBIC}}};
    return choice;
}

const Choice &padding_mode() {
    static const Choice choice = {"padding_mode",
                                  {{"zeros", CPAB_PADDING_ZEROS},
                                   {"border", CPAB_PADDING_BORDER},
                                   {"reflection", CPAB_PADDING_REFLECTION},
                                   {"wrap", CPAB_PADDING_WRAP}}};
    return choice;
}

/* The tensor of float64 in an attribute, whose shape is known. */
absl::Status read_numbers(OpKernelConstruction *construction, const char *attribute,
                          const tensorflow::TensorShape &shape, Tensor *numbers) {
    TF_RETURN_IF_ERROR(construction->GetAttr(attribute, numbers));
    if (numbers->dtype() == tensorflow::DT_DOUBLE && numbers->shape() == shape) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(attribute, " must be float64 ", shape.DebugString(), "; got ", numbers->DebugString()));
}

absl::Status read_tessellation(OpKernelConstruction *construction, Problem *problem) {
    cpab_tessellation_options options = {};
    options.struct_size = sizeof(options);
    std::vector<int64_t> cells;
    Tensor domain;
    TF_RETURN_IF_ERROR(construction->GetAttr("cells", &cells));
    TF_RETURN_IF_ERROR(outside().read(construction, &options.outside));
    options.ndim = static_cast<int32_t>(cells.size());
    TF_RETURN_IF_ERROR(read_numbers(construction, "domain", {options.ndim, 2}, &domain));
    for (int d = 0; d < std::min<int>(options.ndim, CPAB_MAX_NDIM); ++d) {
        options.cells[d] = cells[d];
        options.lower[d] = domain.matrix<double>()(d, 0);
        options.upper[d] = domain.matrix<double>()(d, 1);
    }
    cpab_tessellation *tess = nullptr;
    TF_RETURN_IF_ERROR(outcome(cpab_tessellation_create(&options, &tess), problem->time));
    problem->tessellation.reset(tess);
    problem->sizes.struct_size = sizeof(problem->sizes);
    return outcome(cpab_tessellation_describe(tess, &problem->sizes), problem->time);
}

absl::Status read_image(OpKernelConstruction *construction, Problem *problem) {
    cpab_image &image = problem->image;
    std::vector<int64_t> &size = problem->output_size;
    bool align_corners = false;
    TF_RETURN_IF_ERROR(construction->GetAttr("output_size", &size));
    TF_RETURN_IF_ERROR(construction->GetAttr("align_corners", &align_corners));
    TF_RETURN_IF_ERROR(mode().read(construction, &image.interpolation));
    TF_RETURN_IF_ERROR(padding_mode().read(construction, &image.padding));
    image.struct_size = sizeof(image);
    image.ndim = static_cast<int32_t>(problem->sizes.ndim);
    image.align_corners = align_corners;
    image.channels_last = 1;
    if (static_cast<int32_t>(size.size()) != image.ndim)
        return absl::InvalidArgumentError("output_size must have a number for every axis of the cells");
    std::copy(size.rbegin(), size.rend(), image.output_size);  // libcpab counts x first
    return absl::OkStatus();
}

}  // namespace

/* Numbers are tensors, because those in attributes have 32 bits. */
std::vector<std::string> attributes(Kind kind) {
    std::vector<std::string> declared = {"T: {float, double}", "cells: list(int)", "domain: tensor",
                                         outside().declaration()};
    if (kind != Kind::field) declared.push_back("time: tensor");
    if (kind == Kind::warp)
        declared.insert(declared.end(), {"output_size: list(int)", mode().declaration(),
                                         padding_mode().declaration(), "align_corners: bool"});
    return declared;
}

absl::Status Problem::read(OpKernelConstruction *construction, Kind kind) {
    if (kind != Kind::field) {
        Tensor number;
        TF_RETURN_IF_ERROR(read_numbers(construction, "time", {}, &number));
        time = number.scalar<double>()();
    }
    TF_RETURN_IF_ERROR(read_tessellation(construction, this));
    return kind == Kind::warp ? read_image(construction, this) : absl::OkStatus();
}

}  // namespace cpabx
