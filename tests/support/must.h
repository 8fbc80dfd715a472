/// Calls that must succeed, and calls that must fail, where the line that a test fails at is to be that of the call.
#ifndef WEFT_TEST_MUST_H
#define WEFT_TEST_MUST_H
#include "core/error.h"

#include <string.h>

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != WEFT_OK) fail_msg("%s", weft_error_message());                                                   \
    } while (0)
/// `text`: a part of the sentence.
#define FAILS(call, wanted, text)                                                                                      \
    do {                                                                                                               \
        assert_int_equal((call), (wanted));                                                                            \
        if (!strstr(weft_error_message(), (text))) fail_msg("'%s' lacks '%s'", weft_error_message(), (text));          \
    } while (0)

#endif
