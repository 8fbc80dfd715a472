/// All of Weft's public API.
///
/// What every header assumes: handles are opaque and never copied; a params struct may be NULL or all zero for the
/// defaults, so `{0}` or designated initialisers are the way to fill one (weft/version.h says how structs grow); a
/// struct or text that a call takes need only live until it returns, unless the call says otherwise; a call that fails
/// returns a status other than WEFT_OK, leaves NULL or nothing in its outputs, and weft_error_message() has the
/// sentence. What is not in include/weft/ is not API.
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H
#include "weft/batch.h"
#include "weft/beam.h"
#include "weft/buffer.h"
#include "weft/cancel.h"
#include "weft/chat.h"
#include "weft/device.h"
#include "weft/embed.h"
#include "weft/graph.h"
#include "weft/model.h"
#include "weft/model_file.h"
#include "weft/plan.h"
#include "weft/program.h"
#include "weft/session.h"
#include "weft/status.h"
#include "weft/tensor.h"
#include "weft/tokenizer.h"
#include "weft/version.h"
#endif
