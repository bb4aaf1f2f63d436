using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Files;

/// <summary>A look at a path, which opens nothing and makes nothing.</summary>
internal static class PathLook
{
    /// <summary>A link is told from what it leads to where that is a socket.</summary>
    public static PathSight At(string path)
    {
        string full;
        try
        {
            full = Path.GetFullPath(path);
        }
        catch (FileNotFoundException e)
        {
            return PathSight.NewAdrift(FileProblem.Reason(path, e));
        }

        try
        {
            if (AttributesOf(full) is not { } found)
                return PathSight.NewNothing(AttributesOf(Path.GetDirectoryName(full) ?? full) is { } above && above.HasFlag(FileAttributes.Directory));
            return found.HasFlag(FileAttributes.Directory) ? PathSight.Directory
                : Libc.Identify(full) is { IsSocket: true } ? PathSight.Socket
                : Libc.Identify(full, throughLink: true) is { IsSocket: true } ? PathSight.LinkToSocket
                : PathSight.File;
        }
        catch (Exception e) when (FileProblem.Is(e))
        {
            return PathSight.Unseen;
        }
    }

    /// <summary>Null where nothing is there.</summary>
    private static FileAttributes? AttributesOf(string path)
    {
        try
        {
            return File.GetAttributes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }
}
