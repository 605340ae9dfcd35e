// SHA-256, for naming scenarios by their content.
#pragma once

#include <string>
#include <string_view>

namespace orrery {

/// Digest as 64 hexadecimal digits. FIPS 180-4, Secure Hash Standard, NIST, 2015.
std::string sha256(std::string_view bytes);

}  // namespace orrery
