#include "cmd/cmd.h"

extern char **environ;

int main(int argc, char **argv)
{
    return lx_main(argc, argv, environ);
}
