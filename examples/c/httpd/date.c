/* Dates as HTTP writes them. By hand: the C library's functions know locales and time zones, and take a lock for them. */
#include "httpd.h"

#include <stdio.h>
#include <string.h>

static const char DAYS[] = "SunMonTueWedThuFriSat";
static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970 of a day in the proleptic Gregorian calendar; years are counted from March, so that the leap day is last. */
static int64_t days_of(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void two_digits(char *at, int64_t n) {
    at[0] = (char)('0' + n / 10 % 10);
    at[1] = (char)('0' + n % 10);
}

void date_write(time_t time, char date[DATE]) {
    if (time < 0) time = 0; /* a file from before 1970, which nobody has: any date that is past will do */
    if (time > 253402300799) time = 253402300799; /* the last second of the year 9999 */
    int64_t days = time / 86400, second = time % 86400;
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * from_march + 2) / 5 + 1;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);

    memcpy(date, "Thu, 01 Jan 1970 00:00:00 GMT", DATE);
    memcpy(date, DAYS + 3 * ((days + 4) % 7), 3);
    two_digits(date + 5, day);
    memcpy(date + 8, MONTHS + 3 * (month - 1), 3);
    two_digits(date + 12, year / 100);
    two_digits(date + 14, year);
    two_digits(date + 17, second / 3600);
    two_digits(date + 20, second / 60 % 60);
    two_digits(date + 23, second % 60);
}

/* The three forms that RFC 9110 5.6.7 wants understood. */
bool date_read(const char *text, size_t length, time_t *time_out) {
    char line[64], name[4] = "";
    int day, year, hour, minute, second, end = -1;
    if (length >= sizeof line) return false;
    memcpy(line, text, length);
    line[length] = 0;
    if (sscanf(line, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, name, &year, &hour, &minute, &second, &end) < 6 ||
        end < 0) {
        if (sscanf(line, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &day, name, &year, &hour, &minute, &second, &end) == 6 &&
            end >= 0) {
            year += year < 70 ? 2000 : 1900;
        } else if (sscanf(line, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", name, &day, &hour, &minute, &second, &year, &end) < 6) {
            return false;
        }
    }
    if (end != (int)length || strlen(name) != 3) return false;
    const char *found = strstr(MONTHS, name);
    if (!found || (found - MONTHS) % 3 != 0) return false;
    if (year < 1970 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
    *time_out = (time_t)(days_of(year, (int)(found - MONTHS) / 3 + 1, day) * 86400 + hour * 3600 + minute * 60 + second);
    return true;
}
