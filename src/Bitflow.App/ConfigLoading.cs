using Bitflow.Domain;

namespace Bitflow.App;

/// <summary>A configuration from a file, or every reason why there is none.</summary>
internal static class ConfigLoading
{
    /// <summary>The reader refuses more; reading a little beyond it is enough to hear so.</summary>
    private const int MaxBytes = 4 * 1024 * 1024 + 1;

    /// <summary>Null where the file cannot be read at all; <paramref name="problem"/> then says why.</summary>
    public static ConfigReading? Read(string path, out string problem)
    {
        problem = "";
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            byte[] bytes = new byte[MaxBytes];
            int length = file.ReadAtLeast(bytes, MaxBytes, throwOnEndOfStream: false);
            return ConfigFile.Read(path, bytes.AsMemory(0, length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            problem = FileProblem.Describe(path, e);
            return null;
        }
    }
}
