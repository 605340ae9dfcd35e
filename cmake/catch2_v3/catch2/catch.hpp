// Catch2 3 (Ubuntu 24.04) under the header name and the spellings of Catch2 2 (Debian 12), which the tests use.
#pragma once

#include <catch2/catch_all.hpp>

using Catch::Approx;
