// Writing beside and renaming, with interrupts held back while a half-written file exists.
#include "scenarios/output_file.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace orrery {
namespace {

constexpr std::size_t output_buffer_bytes = 1 << 20;

sigset_t ending_signals() {
    sigset_t set{};
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    return set;
}

/// An ending signal waits and is not ignored (as nohup ignores SIGHUP).
bool is_end_requested() {
    sigset_t pending{};
    sigpending(&pending);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        if (sigismember(&pending, signal) == 1 && sigaction(signal, nullptr, &action) == 0 &&
            action.sa_handler != SIG_IGN) {
            return true;
        }
    }
    return false;
}

Problem output_problem(const std::string& path, int error) {
    return {path == "-" ? "standard output" : path, std::strerror(error), "write to another place"};
}

/// The file that `path` means, through symbolic links.
std::filesystem::path output_target(const std::string& path) {
    std::error_code ignored;
    std::filesystem::path target = std::filesystem::weakly_canonical(path, ignored);
    return target.empty() ? std::filesystem::path(path) : target;
}

bool is_written_directly(const std::filesystem::path& target) {
    std::error_code ignored;
    const auto status = std::filesystem::status(target, ignored);
    return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

}  // namespace

struct OutputFile::State {
    std::string path;                  // as asked for
    std::filesystem::path target;
    std::filesystem::path temporary;   // empty: written directly
    int descriptor = -1;
    int error = 0;                     // errno of the first failure
    std::size_t bytes = 0;
    std::string buffer;
    sigset_t signals_before{};

    void flush() {
        std::size_t done = 0;
        while (done < buffer.size() && error == 0) {
            const ssize_t n = ::write(descriptor, buffer.data() + done, buffer.size() - done);
            if (n > 0) done += static_cast<std::size_t>(n);
            if (n < 0 && errno != EINTR) error = errno;
        }
        bytes += done;
        buffer.clear();
        if (!temporary.empty() && is_end_requested()) discard();   // does not come back
    }

    /// Closes and removes what is there, and lets signals through again.
    void discard() {
        if (descriptor > STDERR_FILENO) ::close(descriptor);
        descriptor = -1;
        if (temporary.empty()) return;
        ::unlink(temporary.c_str());
        temporary.clear();
        pthread_sigmask(SIG_SETMASK, &signals_before, nullptr);
    }
};

OutputFile::OutputFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
OutputFile::OutputFile(OutputFile&&) noexcept = default;
OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}
OutputFile::~OutputFile() {
    if (state_) state_->discard();
}

Result<OutputFile> OutputFile::open(const std::string& path) {
    auto state = std::make_unique<State>();
    state->path = path;
    state->buffer.reserve(output_buffer_bytes);
    if (path == "-") {
        state->descriptor = STDOUT_FILENO;
        return OutputFile(std::move(state));
    }
    state->target = output_target(path);
    if (is_written_directly(state->target)) {
        state->descriptor = ::open(state->target.c_str(), O_WRONLY | O_CLOEXEC);
        if (state->descriptor < 0) return output_problem(path, errno);
        return OutputFile(std::move(state));
    }
    const auto name = ".orrery-" + std::to_string(::getpid()) + ".part";
    state->temporary = state->target.parent_path() / name;
    const sigset_t ending = ending_signals();
    pthread_sigmask(SIG_BLOCK, &ending, &state->signals_before);
    state->descriptor = ::open(state->temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (state->descriptor < 0) {
        const int error = errno;
        state->discard();
        return output_problem(path, error);
    }
    struct stat before {};
    if (::stat(state->target.c_str(), &before) == 0) ::fchmod(state->descriptor, before.st_mode & 07777);
    return OutputFile(std::move(state));
}

void OutputFile::write(std::string_view text) {
    if (state_->buffer.size() + text.size() > output_buffer_bytes) state_->flush();
    state_->buffer.append(text);
}

Result<std::size_t> OutputFile::finish() {
    ORRERY_CHECK(state_ && state_->descriptor >= 0);
    state_->flush();
    if (state_->error == 0 && state_->descriptor > STDERR_FILENO) {
        if (::close(state_->descriptor) != 0) state_->error = errno;
        state_->descriptor = -1;
    }
    if (state_->error == 0 && !state_->temporary.empty()) {
        if (::rename(state_->temporary.c_str(), state_->target.c_str()) != 0) state_->error = errno;
    }
    if (state_->error != 0) return output_problem(state_->path, state_->error);
    return state_->bytes;
}

Result<std::size_t> write_file(const std::string& path, std::string_view text) {
    auto file = OutputFile::open(path);
    if (!file) return file.problems();
    file->write(text);
    return file->finish();
}

Problems output_problems(const std::string& path) {
    if (path.empty() || path == "-") return {};
    const std::filesystem::path target = output_target(path);
    std::error_code ignored;
    if (std::filesystem::is_directory(target, ignored)) {
        return {{path, "is a folder", "name a file inside it"}};
    }
    if (is_written_directly(target)) return {};
    const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";
    if (!std::filesystem::is_directory(folder, ignored)) {
        return {{path, "the folder " + folder.string() + " does not exist", "create it, or write elsewhere"}};
    }
    if (::access(folder.c_str(), W_OK | X_OK) != 0) return {output_problem(path, errno)};
    return {};
}

}  // namespace orrery
