/// The `weft` command; everything is in app.c, which tests reach.
#include "app/app.h"

int main(int argc, char **argv) { return weft_app_main(argc, argv); }
