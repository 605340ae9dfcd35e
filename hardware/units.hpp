// Physical quantities as types: one double in SI base units, so that bytes are never added to seconds.
#pragma once

#include <cmath>
#include <compare>

namespace orrery {

/// A quantity of dimension second^S byte^B flop^F joule^J dollar^U. Divide by a unit to leave the type
/// (`t / 1.0_us`), or take `si()` where a hot loop needs the bare number in SI base units.
template <int S, int B, int F, int J, int U>
class Quantity {
  public:
    constexpr Quantity() = default;
    static constexpr Quantity from_si(double value) { return Quantity(value); }
    [[nodiscard]] constexpr double si() const { return value_; }

    constexpr auto operator<=>(const Quantity&) const = default;
    constexpr Quantity operator-() const { return Quantity(-value_); }
    constexpr Quantity& operator+=(Quantity other) { value_ += other.value_; return *this; }
    constexpr Quantity& operator-=(Quantity other) { value_ -= other.value_; return *this; }
    constexpr Quantity& operator*=(double factor) { value_ *= factor; return *this; }
    constexpr Quantity& operator/=(double divisor) { value_ /= divisor; return *this; }

    friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.value_ + b.value_); }
    friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.value_ - b.value_); }
    friend constexpr Quantity operator*(Quantity a, double factor) { return Quantity(a.value_ * factor); }
    friend constexpr Quantity operator*(double factor, Quantity a) { return Quantity(a.value_ * factor); }
    friend constexpr Quantity operator/(Quantity a, double divisor) { return Quantity(a.value_ / divisor); }

  private:
    explicit constexpr Quantity(double value) : value_(value) {}
    double value_ = 0.0;
};

using Seconds = Quantity<1, 0, 0, 0, 0>;
using PerSecond = Quantity<-1, 0, 0, 0, 0>;
using Bytes = Quantity<0, 1, 0, 0, 0>;
using BytesPerSecond = Quantity<-1, 1, 0, 0, 0>;
using Flop = Quantity<0, 0, 1, 0, 0>;  // also integer operations: one multiply-add is two
using FlopPerSecond = Quantity<-1, 0, 1, 0, 0>;
using Joules = Quantity<0, 0, 0, 1, 0>;
using Watts = Quantity<-1, 0, 0, 1, 0>;
using Usd = Quantity<0, 0, 0, 0, 1>;
using UsdPerSecond = Quantity<-1, 0, 0, 0, 1>;
using UsdPerJoule = Quantity<0, 0, 0, -1, 1>;

template <int S, int B, int F, int J, int U, int S2, int B2, int F2, int J2, int U2>
constexpr auto operator*(Quantity<S, B, F, J, U> a, Quantity<S2, B2, F2, J2, U2> b) {
    if constexpr (S + S2 == 0 && B + B2 == 0 && F + F2 == 0 && J + J2 == 0 && U + U2 == 0) {
        return a.si() * b.si();
    } else {
        return Quantity<S + S2, B + B2, F + F2, J + J2, U + U2>::from_si(a.si() * b.si());
    }
}

template <int S, int B, int F, int J, int U, int S2, int B2, int F2, int J2, int U2>
constexpr auto operator/(Quantity<S, B, F, J, U> a, Quantity<S2, B2, F2, J2, U2> b) {
    if constexpr (S == S2 && B == B2 && F == F2 && J == J2 && U == U2) {
        return a.si() / b.si();
    } else {
        return Quantity<S - S2, B - B2, F - F2, J - J2, U - U2>::from_si(a.si() / b.si());
    }
}

template <int S, int B, int F, int J, int U>
constexpr bool is_finite(Quantity<S, B, F, J, U> a) { return std::isfinite(a.si()); }

inline namespace literals {
// clang-format off
constexpr Seconds operator""_s(long double v) { return Seconds::from_si(static_cast<double>(v)); }
constexpr Seconds operator""_ms(long double v) { return Seconds::from_si(static_cast<double>(v) * 1e-3); }
constexpr Seconds operator""_us(long double v) { return Seconds::from_si(static_cast<double>(v) * 1e-6); }
constexpr Seconds operator""_ns(long double v) { return Seconds::from_si(static_cast<double>(v) * 1e-9); }
constexpr Seconds operator""_hours(long double v) { return Seconds::from_si(static_cast<double>(v) * 3600.0); }
constexpr Bytes operator""_B(long double v) { return Bytes::from_si(static_cast<double>(v)); }
constexpr Bytes operator""_KiB(long double v) { return Bytes::from_si(static_cast<double>(v) * 1024.0); }
constexpr Bytes operator""_MiB(long double v) { return Bytes::from_si(static_cast<double>(v) * 1048576.0); }
constexpr Bytes operator""_GiB(long double v) { return Bytes::from_si(static_cast<double>(v) * 1073741824.0); }
constexpr Bytes operator""_MB(long double v) { return Bytes::from_si(static_cast<double>(v) * 1e6); }
constexpr Bytes operator""_GB(long double v) { return Bytes::from_si(static_cast<double>(v) * 1e9); }
constexpr BytesPerSecond operator""_GBps(long double v) { return BytesPerSecond::from_si(static_cast<double>(v) * 1e9); }
constexpr BytesPerSecond operator""_Gbps(long double v) { return BytesPerSecond::from_si(static_cast<double>(v) * 1.25e8); }
constexpr Flop operator""_flop(long double v) { return Flop::from_si(static_cast<double>(v)); }
constexpr FlopPerSecond operator""_TFLOPps(long double v) { return FlopPerSecond::from_si(static_cast<double>(v) * 1e12); }
constexpr Watts operator""_W(long double v) { return Watts::from_si(static_cast<double>(v)); }
constexpr Joules operator""_kWh(long double v) { return Joules::from_si(static_cast<double>(v) * 3.6e6); }
constexpr Usd operator""_USD(long double v) { return Usd::from_si(static_cast<double>(v)); }
// clang-format on
}  // namespace literals

}  // namespace orrery
