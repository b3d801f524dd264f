/* A macro's value as a string, for what the build defines. */
#ifndef CPAB_TEXT_H
#define CPAB_TEXT_H

#define CPAB_TEXT_(x) #x
#define CPAB_TEXT(x) CPAB_TEXT_(x)

#endif
