namespace Bitflow.Tests.Fixtures;

/// <summary>A named pipe: a file that keeps whoever opens it waiting for the other side.</summary>
internal static class NamedPipe
{
    public static async Task MakeAsync(string path)
    {
        (int status, _, string errors) = await ChildProcess.RunAsync("mkfifo", [path]);
        Xunit.Assert.True(status == 0, errors);
    }

    /// <summary>In place of a file that is there.</summary>
    public static async Task ReplaceAsync(string path)
    {
        File.Delete(path);
        await MakeAsync(path);
    }

    /// <summary>Opens it to write; done once somebody has opened it to read.</summary>
    public static Task<FileStream> OpenToWriteAsync(string path) =>
        Task.Run(() => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0)).Patiently();
}
