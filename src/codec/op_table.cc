#include "codec/codecs.h"

namespace turnpike::codec {

const Codec& codec_of(const provider::Target& target, domain::Operation) {
  return codec_of(target);
}

}  // namespace turnpike::codec
