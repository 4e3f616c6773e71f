// The yardstick for reading headers: DCMTK's loadFileUntilTag up to Pixel Data, files a second on one thread.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
    OFLog::configure(OFLogger::FATAL_LOG_LEVEL);
    const double seconds = argc > 1 ? atof(argv[1]) : 1;
    const int count = argc - 2;
    if (count < 1) return 2;
    long files = 0, failed = 0;
    const auto start = std::chrono::steady_clock::now();
    double spent = 0;
    while (spent < seconds) {
        for (int i = 0; i < count; ++i) {
            DcmFileFormat file;
            if (file.loadFileUntilTag(argv[i + 2], EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_autoDetect,
                                      DCM_PixelData).bad())
                ++failed;
            ++files;
        }
        spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    if (failed) {
        fprintf(stderr, "%ld of %ld reads failed\n", failed, files);
        return 1;
    }
    printf("%.0f\n", files / spent);
}
