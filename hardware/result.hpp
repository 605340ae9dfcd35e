// A value or every reason why there is none; and the check that holds our own promises.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace orrery {

/// A user's mistake: where it is (JSON pointer, file:line or option), what is wrong, what to do.
struct Problem {
    std::string place;
    std::string problem;
    std::string remedy;
    bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

/// Breaks the run with file, line and condition: our own mistake, exit status 3.
[[noreturn]] void check_failed(std::string_view file, int line, std::string_view condition);

#define ORRERY_CHECK(condition)                                              \
    do {                                                                     \
        if (!(condition)) ::orrery::check_failed(__FILE__, __LINE__, #condition); \
    } while (false)

/// Either a T, or all problems that stood in its way (never an empty list of them).
template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Problem problem) : content_(std::in_place_index<1>, Problems{std::move(problem)}) {}
    Result(Problems problems) : content_(std::in_place_index<1>, std::move(problems)) {
        ORRERY_CHECK(!std::get<1>(content_).empty());
    }

    [[nodiscard]] bool ok() const { return content_.index() == 0; }
    explicit operator bool() const { return ok(); }

    [[nodiscard]] const T& value() const& { require(); return std::get<0>(content_); }
    [[nodiscard]] T& value() & { require(); return std::get<0>(content_); }
    [[nodiscard]] T&& value() && { require(); return std::get<0>(std::move(content_)); }
    const T& operator*() const& { return value(); }
    T& operator*() & { return value(); }
    const T* operator->() const { return &value(); }
    T* operator->() { return &value(); }

    [[nodiscard]] const Problems& problems() const {
        ORRERY_CHECK(!ok());
        return std::get<1>(content_);
    }

  private:
    void require() const { ORRERY_CHECK(ok()); }
    std::variant<T, Problems> content_;
};

}  // namespace orrery
