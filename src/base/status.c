#include "base/status.h"

static const struct {
    const char *name, *text;
    enum lx_class class;
} table[] = {
#define X(name, class, text) {"LX_" #name, text, LX_CLASS_##class},
    LX_STATUS_TABLE(X)
#undef X
};

const char *lx_status_name(enum lx_status status)
{
    return (unsigned)status < LX_STATUS_COUNT ? table[status].name : "LX_?";
}

const char *lx_status_text(enum lx_status status)
{
    return (unsigned)status < LX_STATUS_COUNT ? table[status].text : "unknown status";
}

enum lx_class lx_status_class(enum lx_status status)
{
    return (unsigned)status < LX_STATUS_COUNT ? table[status].class : LX_CLASS_bug;
}
