// What convolutional families share: a convolution with its norm and activation, and the image that goes from one to
// the next.
#pragma once

#include "models/layered_operators.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// What flows between operators: sides and channels of one sample.
struct Image {
    std::int64_t depth = 1;
    std::int64_t height = 1;
    std::int64_t width = 1;
    std::int64_t channels = 1;
    [[nodiscard]] double elements() const {
        return static_cast<double>(depth * height * width) * static_cast<double>(channels);
    }
};

/// What follows a convolution: nothing, statistics over the batch (or each image), or their frozen values (two vectors
/// that are not trained).
enum class ImageNorm : std::uint8_t { none, statistics, frozen };
enum class ImageActivation : std::uint8_t { none, relu, swish };

/// How a convolution of a chain is made.
struct ChainStep {
    std::int64_t filters = 1;
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    std::int64_t groups = 1;
    ImageNorm norm = ImageNorm::statistics;
    ImageActivation activation = ImageActivation::relu;
    bool adds = false;          // a residual is summed before the activation
    bool first = false;         // nothing ahead of it is trained
    bool biased = false;
    bool transposed = false;    // enlarges by the stride
};

/// Appends operators to a block while following the image through it.
class Chain {
  public:
    Chain(const PassShape& shape, Image image, std::vector<ModelOperator>& operators)
        : shape_(shape), image_(image), operators_(operators) {}

    /// The convolution, its norm, sum and activation. Kernels of three dimensions where the image has depth.
    void convolve(std::string_view name, const ChainStep& step);
    /// Kernel and activation apart from a convolution.
    void pool(std::string_view name, std::int64_t stride);
    /// Average over the whole image, two small products, and the product with the image (Hu et al., arXiv 1709.01507).
    void squeeze_excite(std::int64_t inner);
    /// A residual sum with its activation, apart from a norm.
    void sum();
    /// Any operator that leaves the image as it is.
    void add(ModelOperator one) { operators_.push_back(std::move(one)); }
    [[nodiscard]] const Image& image() const { return image_; }
    void set_image(const Image& image) { image_ = image; }

  private:
    const PassShape& shape_;
    Image image_;
    std::vector<ModelOperator>& operators_;
};

/// The norm beside a convolution with what follows it, over `elements` values of all samples.
ModelOperator norm_operator(const PassShape& shape, double elements, std::int64_t channels, const ChainStep& step);

/// The model's blocks from the first to before `end` are not trained.
void freeze_blocks(LayeredModel& model, std::size_t end);

/// A block whose operators are made by a chain that starts with `image`; the image that leaves it comes back.
template <class Build>
Image add_block(LayeredModel& model, const PassShape& shape, std::string_view name, Image image, int times,
                Build build) {
    ModelBlock block;
    block.name = name;
    block.count = times;
    block.input = Bytes::from_si(image.elements() * static_cast<double>(shape.samples) * shape.element_bytes);
    Chain chain(shape, image, block.operators);
    build(chain);
    model.blocks.push_back(std::move(block));
    return chain.image();
}

/// Class scores from the image: average, linear map, softmax and loss.
void add_classifier(LayeredModel& model, const PassShape& shape, const Image& image, std::int64_t classes);

}  // namespace orrery
