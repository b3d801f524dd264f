/* How a seeded fault tells that it has made a difference. faults.py has faulty sources compiled with this in
   front. */
#ifndef CPAB_TESTS_FIRED_H
#define CPAB_TESTS_FIRED_H

#include <cstring>

namespace seeded {

/* For the place where something else is done than should be. Prints one line in all. */
void fired();

/* The wrong value in place of the right one: fires where their bits differ. */
template <typename T>
inline T instead_of(const T &right, const T &wrong) {
    if (std::memcmp(&right, &wrong, sizeof right) != 0) fired();
    return wrong;
}

/* As a condition that is no longer asked: true, fires where it would be false. */
inline bool always(bool condition) { return instead_of(condition, true); }
inline bool never(bool condition) { return instead_of(condition, false); }

}  // namespace seeded

#endif
