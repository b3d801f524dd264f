/* What translated operations answer, against what operation_cases.py has computed: test_operations CASES.txt
 */
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "../../check.h"
#include "../numbers.h"
#include "launch.h"
#include "numbers.h"

namespace {

constexpr int n_cases = cpab::gpu::threads_per_block;

/* A NaN is as good as any other. */
template <typename T>
bool is_same(uint64_t a, uint64_t b) {
    const T x = ptx::low<T>(a), y = ptx::low<T>(b);
    if constexpr (ptx::is_float<T>)
        if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
    return ptx::as<ptx::Bits<T>>(x) == ptx::as<ptx::Bits<T>>(y);
}

bool is_same(const std::string &type, uint64_t a, uint64_t b) {
    if (type == "f32") return is_same<float>(a, b);
    if (type == "f64") return is_same<double>(a, b);
    if (type.substr(1) == "64") return is_same<uint64_t>(a, b);
    if (type.substr(1) == "16") return is_same<uint16_t>(a, b);
    return is_same<uint32_t>(a, b);
}

void test_operation(const std::string &kernel, size_t n_operands, const std::string &type,
                    std::ifstream &cases) {
    std::vector<uint64_t> operands, expected;
    for (int i = 0; i < n_cases; i++) {
        for (size_t k = 0; k <= n_operands; k++) {
            uint64_t number = 0;
            cases >> std::hex >> number >> std::dec;
            (k < n_operands ? operands : expected).push_back(number);
        }
    }
    const Numbers<uint64_t> from(operands), to(n_cases);
    ptx::launch(kernel.c_str(), {1, 1}, 0, from.data(), to.data());
    const std::vector<uint64_t> actual = to.read(nullptr);
    for (size_t i = 0; i < n_cases; i++) {
        const bool same = is_same(type, actual[i], expected[i]);
        CHECK(same);
        if (same || check_failures > 20) continue;
        std::fprintf(stderr, "    %s:", kernel.c_str());
        for (size_t k = 0; k < n_operands; k++)
            std::fprintf(stderr, " %016llx", static_cast<unsigned long long>(operands[i * n_operands + k]));
        std::fprintf(stderr, " gives %016llx and not %016llx\n", static_cast<unsigned long long>(actual[i]),
                     static_cast<unsigned long long>(expected[i]));
    }
}

}  // namespace

int main(int, char **arguments) {
    std::ifstream cases(arguments[1]);
    std::string kernel, type;
    size_t n_operands;
    int n_operations = 0;
    for (; cases >> kernel >> n_operands >> type; n_operations++)
        test_operation(kernel, n_operands, type, cases);
    CHECK(n_operations > 0 && cases.eof());
    return check_result();
}
