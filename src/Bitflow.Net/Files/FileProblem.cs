using Bitflow.Domain;

namespace Bitflow.Net.Files;

/// <summary>Why a file that somebody named cannot be read, with what to do about it.</summary>
internal static class FileProblem
{
    /// <summary>Whether it is of the file. The platform refuses names that no file can have as arguments.</summary>
    public static bool Is(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    /// <summary>One line, whatever the name holds.</summary>
    public static string Describe(string path, Exception exception) => $"{Shown.Escaped(path)}: {Shown.Escaped(Reason(path, exception))}";

    /// <summary>What stands behind the path there.</summary>
    public static string Reason(string path, Exception exception) => exception switch
    {
        // What the runtime makes of bytes that are not UTF-8. The name as it was is lost.
        FileNotFoundException or DirectoryNotFoundException when path.Contains('\uFFFD', StringComparison.Ordinal) =>
            "there is no such file; where its name is not UTF-8, Bitflow cannot open it: rename it, or give it as /dev/stdin",
        FileNotFoundException or DirectoryNotFoundException when path == "-" => "there is no such file; standard input is /dev/stdin",
        FileNotFoundException or DirectoryNotFoundException =>
            "there is no such file" + (Path.IsPathRooted(path) ? "" : $" in {WorkingDirectory()}") + (FilePath.IsForAShell(path) ? "; the path is taken as it stands: write out what ~ and variables stand for" : ""),
        _ when Directory.Exists(path) => "it is a directory; name a file in it",
        UnauthorizedAccessException => "permission denied; run as a user who may read it, or change its mode",
        _ => $"it cannot be read: {exception.Message}",
    };

    /// <summary>From the root on.</summary>
    /// <exception cref="IOException">The working directory has been removed; the message says so.</exception>
    public static string FullPath(string path)
    {
        try
        {
            return Path.GetFullPath(path);
        }
        catch (FileNotFoundException e)
        {
            throw new IOException(Describe(path, e), e);
        }
    }

    /// <summary>It may have been removed under the process.</summary>
    private static string WorkingDirectory()
    {
        try
        {
            return Environment.CurrentDirectory;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "the working directory, which has been removed; name the file from the root on";
        }
    }
}
