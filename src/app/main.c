// The command `weft`.
#include "app/app.h"

#include <stdlib.h>

int main(int argc, char **argv) {
    // Mesa's drivers look for a Wayland socket when a device is opened and complain on stderr, several times, if this
    // is unset, as it is for services and in containers. No window is ever opened here.
    setenv("XDG_RUNTIME_DIR", "/tmp", 0);
    return weft_app_main(argc, argv);
}
