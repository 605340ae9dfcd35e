// Whether scenario names are SHA-256 as everybody else computes it.
#include "scenarios/sha256.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace orrery {

TEST_CASE("SHA-256 agrees with the published examples", "[scenarios][sha256]") {
    // Method: the message digests of NIST's "Examples with Intermediate Values" for FIPS 180-4, and of the CAVP short
    // message file (SHA256ShortMsg.rsp, Len = 0).
    CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256(
              "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
              "nopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    CHECK(sha256(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("every length around a block boundary is padded to whole blocks", "[scenarios][sha256]") {
    // Method: 55 bytes are the most that leave room for the length in one block, 56 and 64 need a second; digests as
    // OpenSSL's command `head -c N /dev/zero | openssl sha256` prints them.
    CHECK(sha256(std::string(55, '\0')) == "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
    CHECK(sha256(std::string(56, '\0')) == "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
    CHECK(sha256(std::string(64, '\0')) == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

}  // namespace orrery
