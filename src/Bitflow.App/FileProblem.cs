namespace Bitflow.App;

/// <summary>Why a file that somebody named cannot be read, with what to do about it.</summary>
internal static class FileProblem
{
    public static string Describe(string path, Exception exception) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException when Path.IsPathRooted(path) => $"{path}: there is no such file",
        FileNotFoundException or DirectoryNotFoundException => $"{path}: there is no such file in {WorkingDirectory()}",
        _ when Directory.Exists(path) => $"{path}: it is a directory; name a file in it",
        UnauthorizedAccessException => $"{path}: permission denied; run as a user who may read it, or change its mode",
        _ => $"{path}: it cannot be read: {exception.Message}",
    };

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
