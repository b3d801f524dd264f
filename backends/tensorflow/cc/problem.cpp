#include "problem.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "status.h"

namespace cpabx {
namespace {

using tensorflow::OpKernelConstruction;

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

/* Numbers as the texts of an attribute have them. */
absl::Status read_numbers(const char *attribute, const std::vector<std::string> &texts,
                          std::vector<double> *numbers) {
    for (const std::string &text : texts) {
        double number;
        const char *const end = text.data() + text.size();
        const std::from_chars_result read = std::from_chars(text.data(), end, number);
        if (read.ec != std::errc() || read.ptr != end)
            return absl::InvalidArgumentError(absl::StrCat(attribute, " must be numbers; got '", text, "'"));
        numbers->push_back(number);
    }
    return absl::OkStatus();
}

absl::Status read_tessellation(OpKernelConstruction *construction, const Library &library, Problem *problem) {
    cpab_tessellation_options options = {};
    options.struct_size = sizeof(options);
    std::vector<int64_t> cells;
    std::vector<std::string> texts;
    std::vector<double> domain;
    TF_RETURN_IF_ERROR(construction->GetAttr("cells", &cells));
    TF_RETURN_IF_ERROR(construction->GetAttr("domain", &texts));
    TF_RETURN_IF_ERROR(outside().read(construction, &options.outside));
    TF_RETURN_IF_ERROR(read_numbers("domain", texts, &domain));
    options.ndim = static_cast<int32_t>(cells.size());
    if (domain.size() != 2 * cells.size())
        return absl::InvalidArgumentError(
            absl::StrCat("domain must have two numbers for every axis; got ", domain.size()));
    for (int d = 0; d < std::min<int>(options.ndim, CPAB_MAX_NDIM); ++d) {
        options.cells[d] = cells[d];
        options.lower[d] = domain[2 * d];
        options.upper[d] = domain[2 * d + 1];
    }
    cpab_tessellation *tess = nullptr;
    TF_RETURN_IF_ERROR(outcome(library.create(&options, &tess), problem->time));
    problem->tessellation.reset(tess, library.destroy);
    problem->sizes.struct_size = sizeof(problem->sizes);
    return outcome(library.sizes(tess, &problem->sizes), problem->time);
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

/* Numbers are texts: those in attributes have 32 bits, and tensors are no attributes of eager operations. */
std::vector<std::string> attributes(Kind kind) {
    std::vector<std::string> declared = {"T: {float, double}", "cells: list(int)", "domain: list(string)",
                                         outside().declaration()};
    if (kind != Kind::field) declared.push_back("time: string");
    if (kind == Kind::warp)
        declared.insert(declared.end(), {"output_size: list(int)", mode().declaration(),
                                         padding_mode().declaration(), "align_corners: bool"});
    return declared;
}

absl::Status Problem::read(OpKernelConstruction *construction, Kind kind, const Library &library) {
    if (kind != Kind::field) {
        std::string text;
        std::vector<double> numbers;
        TF_RETURN_IF_ERROR(construction->GetAttr("time", &text));
        TF_RETURN_IF_ERROR(read_numbers("time", {text}, &numbers));
        time = numbers[0];
    }
    TF_RETURN_IF_ERROR(read_tessellation(construction, library, this));
    return kind == Kind::warp ? read_image(construction, this) : absl::OkStatus();
}

}  // namespace cpabx
